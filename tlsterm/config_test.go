package tlsterm

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string // in the error; "" is none
	}{
		{"the defaults", Default(), ""},
		{"TLS 1.3 only", Config{MinVersion: tls.VersionTLS13}, ""},
		{"the zero value", Config{}, "must be TLS 1.2 or TLS 1.3"},
		{"TLS 1.1", Config{MinVersion: tls.VersionTLS11}, "TLS 1.1 cannot be the minimum"},
		{"reuse below its range", Config{MinVersion: tls.VersionTLS12, Reuse: -1}, "must be prefer, require or off"},
		{"reuse beyond its range", Config{MinVersion: tls.VersionTLS12, Reuse: 3}, "Reuse(3) is no session reuse"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
		})
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := New(Config{}, newCert(t, "a.example").source()); err == nil {
		t.Error("settings that do not validate were accepted")
	}
	if _, err := New(Default(), nil); err == nil {
		t.Error("no source was accepted")
	}
}

func TestReuseIsWrittenAsItsSetting(t *testing.T) {
	for r, want := range map[Reuse]string{ReusePrefer: "prefer", ReuseRequire: "require", ReuseOff: "off"} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

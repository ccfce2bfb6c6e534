package configs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func openLog(t *testing.T, l Log) *Logging {
	t.Helper()
	logging, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := logging.Close(); err != nil {
			t.Error(err)
		}
	})
	return logging
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogLinesAreObjectsForPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ftp.log")
	openLog(t, Log{Output: file}).Logger.Info("hello", zap.String("listener", "ftp"))
	var line struct{ Level, TS, Msg, Listener string }
	if err := json.Unmarshal([]byte(contents(t, file)), &line); err != nil {
		t.Fatal(err)
	}
	if line.Level != "info" || line.Msg != "hello" || line.Listener != "ftp" || line.TS == "" {
		t.Errorf("got %+v", line)
	}
}

func TestLogFileIsReopened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ftp.log")
	settings := Log{Output: file, Format: LogConsole}
	logging := openLog(t, settings)
	logging.Logger.Info("before")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := logging.Apply(settings); err != nil {
		t.Fatal(err)
	}
	logging.Logger.Info("after")
	if got := contents(t, file); strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("new file holds %q", got)
	}
	if got := contents(t, file+".1"); strings.Contains(got, "after") {
		t.Errorf("rotated file holds %q", got)
	}
}

func TestLogLevelFollowsAReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ftp.log")
	logging := openLog(t, Log{Output: file, Level: zapcore.WarnLevel})
	logging.Logger.Info("hidden")
	if err := logging.Apply(Log{Output: file, Level: zapcore.DebugLevel}); err != nil {
		t.Fatal(err)
	}
	logging.Logger.Debug("shown")
	if got := contents(t, file); strings.Contains(got, "hidden") || !strings.Contains(got, "shown") {
		t.Errorf("log holds %q", got)
	}
}

func TestLogKeepsItsOutputWhenTheNewOneFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ftp.log")
	logging := openLog(t, Log{Output: file})
	bad := filepath.Join(dir, "missing", "ftp.log")
	if err := logging.Apply(Log{Output: bad}); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("got %v, want an error that names %s", err, bad)
	}
	logging.Logger.Info("still here")
	if got := contents(t, file); !strings.Contains(got, "still here") {
		t.Errorf("log holds %q", got)
	}
}

func TestLogFormatCannotChangeWhileRunning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ftp.log")
	logging := openLog(t, Log{Output: file})
	if err := logging.Apply(Log{Output: file, Format: LogConsole}); err == nil {
		t.Error("nobody is told that the format stays")
	}
}

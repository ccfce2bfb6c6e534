package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/proxy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

const demoUser = "demo"

// demo is a proxy with an upstream of its own, for a first try.
type demo struct {
	// Addresses to listen at.
	explicit, implicit string
	// folder is served; "": a temporary one.
	folder string

	// scratch holds the certificate, and the files if no folder was named. It
	// is removed at the end.
	scratch  string
	password string
	caFile   string
}

func demoCommand() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Serve a folder with an FTP server of our own behind the proxy",
		Long: `Demo starts a plain FTP server on a loopback port, the proxy in front of it
with a self-signed certificate, and prints the curl and lftp lines to try. Stop it
with Ctrl-C; it leaves nothing behind but what was uploaded to --dir.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context()) },
	}
	c.Flags().StringVar(&d.explicit, "explicit", "127.0.0.1:2121", "`ADDRESS` of the listener for explicit FTPS")
	c.Flags().StringVar(&d.implicit, "implicit", "127.0.0.1:9990", "`ADDRESS` of the listener for implicit FTPS")
	c.Flags().StringVar(&d.folder, "dir", "", "`FOLDER` to serve (default: a temporary one, removed at the end)")
	// The flag was defined one line above.
	_ = c.MarkFlagDirname("dir")
	return c
}

func (d *demo) run(ctx context.Context) (err error) {
	d.scratch, err = os.MkdirTemp("", "ftpsproxy-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.scratch)) }()
	if d.folder == "" {
		d.folder = filepath.Join(d.scratch, "files")
		if err := os.Mkdir(d.folder, 0o700); err != nil {
			return err
		}
	}
	d.password = rand.Text()[:12]
	behind, err := startDemoUpstream(d.folder, d.password)
	if err != nil {
		return err
	}
	defer behind.Close()
	return d.front(ctx, behind.Addr().String())
}

// front runs the proxy in front of the given upstream.
func (d *demo) front(ctx context.Context, behind string) error {
	config, err := d.config(behind)
	if err != nil {
		return err
	}
	logging, err := configs.Log{Level: zapcore.InfoLevel, Format: configs.LogConsole, Output: "stderr"}.Open()
	if err != nil {
		return err
	}
	defer logging.Close()
	server, err := proxy.New(config, logging.Logger)
	if err != nil {
		return err
	}
	err = process{server: server, log: logging.Logger, announce: d.announce}.run(ctx)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w; choose other addresses with --explicit and --implicit", err)
	}
	return err
}

func (d *demo) config(behind string) (proxy.Config, error) {
	u := upstream.Default()
	u.Name, u.Address = "demo", behind
	// The embedded server would listen for data on every address of the
	// machine; dialling us keeps the demo on the loopback interface.
	u.DataMode = upstream.DataActive
	up, err := upstream.New(u)
	if err != nil {
		return proxy.Config{}, err
	}
	terminator, err := d.terminator()
	if err != nil {
		return proxy.Config{}, err
	}
	front := func(name, address string, mode proxy.TLSMode) proxy.ListenerConfig {
		l := demoListener(name, address)
		l.TLS.Mode, l.TLS.Terminator, l.Upstream = mode, terminator, up
		return l
	}
	limits := proxy.DefaultLimits()
	limits.DrainTimeout = 3 * time.Second
	return proxy.Config{
		Limits: limits,
		Listeners: []proxy.ListenerConfig{
			front("explicit", d.explicit, proxy.TLSExplicit),
			front("implicit", d.implicit, proxy.TLSImplicit),
		},
	}, nil
}

func demoListener(name, address string) proxy.ListenerConfig {
	l := proxy.DefaultListener()
	l.Name, l.Address = name, address
	// Any free port: nobody has to open a firewall for the loopback interface.
	l.Passive.Ports = proxy.PortRange{}
	return l
}

// terminator makes a certificate for this machine and leaves a copy for the
// clients to verify.
func (d *demo) terminator() (*tlsterm.Terminator, error) {
	source, err := tlsterm.SelfSigned(filepath.Join(d.scratch, "certificate"), d.names())
	if err != nil {
		return nil, err
	}
	certificate, err := source.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, err
	}
	d.caFile = filepath.Join(d.scratch, "demo-ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(d.caFile, block, 0o600); err != nil {
		return nil, err
	}
	return tlsterm.New(tlsterm.Default(), source)
}

// names are what the certificate is valid for: loopback, and the hosts that the
// flags name.
func (d *demo) names() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, address := range []string{d.explicit, d.implicit} {
		host, _, err := net.SplitHostPort(address)
		if err != nil || host == "" || slices.Contains(names, host) {
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
			names = append(names, host)
		}
	}
	return names
}

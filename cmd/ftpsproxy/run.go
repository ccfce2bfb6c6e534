package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/proxy"
)

func runCommand() *cobra.Command {
	var path, name string
	var quick configs.Quick
	c := &cobra.Command{
		Use:   "run {--config FILE | --to HOST:PORT}",
		Short: "Serve, by a configuration file or by a few flags",
		Long: `Run serves until SIGTERM or SIGINT, then lets running sessions end (limits:
drain_timeout) and exits with status 0. A second signal stops at once. SIGHUP
reads the configuration again: a clean one holds for new sessions, a broken one
is reported and changes nothing.

One line "listening NAME ADDRESS" per listener goes to standard output once it
accepts connections; the log goes where the configuration says.

With --to no file is needed: explicit FTPS with a self-signed certificate in
front of one plain FTP server. With --name and --email the certificate comes from
Let's Encrypt, which asks for it at port 80.`,
		Example: `  ftpsproxy run --config /etc/ftpsproxy/ftpsproxy.hcl
  ftpsproxy run --to 10.0.0.5:21 --from :2121 --name ftp.example.com
  ftpsproxy run --to 10.0.0.5:21 --from :21 --name ftp.example.com --email ops@example.com`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			load, err := loader(path, name, quick)
			if err != nil {
				return err
			}
			return run(c.Context(), load)
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&quick.To, "to", "", "plain FTP server to stand in front of, as `HOST:PORT`")
	c.Flags().StringVar(&quick.From, "from", ":2121", "with --to: `ADDRESS` to listen at")
	c.Flags().StringVar(&name, "name", "", "with --to: host `NAME` that the certificate is made for (default: this machine's loopback names)")
	c.Flags().StringVar(&quick.Email, "email", "", "with --name: e-mail `ADDRESS` of the account with Let's Encrypt, which then issues the certificate")
	c.Flags().StringVar(&quick.Storage, "storage", "", "with --to: `FOLDER` that keeps the certificate (default: in the user's state folder)")
	c.MarkFlagsMutuallyExclusive("config", "to")
	for _, flag := range []string{"from", "name", "email", "storage"} {
		c.MarkFlagsMutuallyExclusive("config", flag)
	}
	return c
}

// loadFunc yields the settings, now and again at every SIGHUP. It has shown
// diagnostics when it fails with errPrinted.
type loadFunc func() (*configs.Settings, error)

func loader(path, name string, quick configs.Quick) (loadFunc, error) {
	switch {
	case path != "":
		return func() (*configs.Settings, error) { return loadFile(path) }, nil
	case quick.To == "":
		return nil, errors.New("run needs --config FILE, or --to HOST:PORT for a run without a file")
	}
	if name != "" {
		quick.Names = []string{name}
	}
	if quick.Storage == "" {
		dir, err := stateFolder()
		if err != nil {
			return nil, err
		}
		quick.Storage = dir
	}
	return quick.Settings, nil
}

func loadFile(path string) (*configs.Settings, error) {
	settings, diags := configs.Load(path)
	printDiagnostics(diags)
	if diags.HasErrors() {
		return nil, errPrinted
	}
	return settings, nil
}

// stateFolder is where the XDG base directory specification keeps a user's
// state.
func stateFolder() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ftpsproxy"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep the certificate in (%w); name one with --storage", err)
	}
	return filepath.Join(home, ".local", "state", "ftpsproxy"), nil
}

func run(ctx context.Context, load loadFunc) error {
	var o orders
	settings, built, err := build(load, o.environment())
	if err != nil {
		return err
	}
	logging, err := settings.Log.Open()
	if err != nil {
		return err
	}
	defer logging.Close()
	server, err := proxy.New(built.Proxy, logging.Logger)
	if err != nil {
		return err
	}
	o.log, o.reminded = logging.Logger, time.Now()
	defer o.end()
	w := watcher{log: logging.Logger, watched: built.Watch}
	r := reloader{load: load, server: server, logging: logging, log: settings.Log, watcher: &w, orders: &o}
	look := func() {
		now := time.Now()
		w.look(now)
		o.look(now)
	}
	// An authority may ask the listeners themselves, and does so soon.
	begin := func(ctx context.Context) error {
		if err := o.prepare(ctx, built); err != nil {
			return err
		}
		o.follow(ctx, built.ACME)
		return nil
	}
	return process{
		server: server, log: logging.Logger, begin: begin, announce: printListeners,
		reload: r.reload, look: look, stopping: o.stop,
	}.run(ctx)
}

func build(load loadFunc, env configs.Environment) (*configs.Settings, configs.Built, error) {
	settings, err := load()
	if err != nil {
		return nil, configs.Built{}, err
	}
	built, diags := settings.Build(env)
	printDiagnostics(diags)
	if diags.HasErrors() {
		return nil, configs.Built{}, errPrinted
	}
	return settings, built, nil
}

// reloader follows SIGHUP.
type reloader struct {
	load    loadFunc
	server  *proxy.Server
	logging *configs.Logging
	// log is what the log follows now; its file is reopened even when the new
	// configuration is broken, since it may have been rotated.
	log     configs.Log
	watcher *watcher
	orders  *orders
}

func (r *reloader) reload() {
	refused := r.apply()
	log := r.logging.Apply(r.log) // first: what follows belongs into the new file
	if refused != nil {
		r.complain("configuration not reloaded", refused)
	} else {
		r.logging.Logger.Info("configuration reloaded")
	}
	if log != nil {
		r.complain("log not changed", log)
	}
}

func (r *reloader) complain(what string, err error) {
	if !errors.Is(err, errPrinted) {
		fmt.Fprintf(os.Stderr, "ftpsproxy: reload: %v\n", err)
	}
	r.logging.Logger.Error(what, zap.Error(err))
}

// apply gives a clean configuration to the server; anything else changes
// nothing: whatever can be refused comes before anything is written, ordered or
// replaced.
func (r *reloader) apply() error {
	settings, built, err := build(r.load, r.orders.environment())
	if err != nil {
		return err
	}
	if err := r.server.Fits(built.Proxy); err != nil {
		return err
	}
	if err := r.orders.prepare(context.Background(), built); err != nil {
		return err
	}
	if err := r.server.Reload(built.Proxy); err != nil {
		r.orders.drop(built.ACME)
		return err
	}
	r.orders.follow(context.Background(), built.ACME)
	r.log = settings.Log
	r.watcher.follow(built.Watch)
	return nil
}

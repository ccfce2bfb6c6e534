package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// errCut: the second signal does not wait for anybody.
var errCut = errors.New("stopped at once by a second signal; sessions were cut off")

// process is one server from its first listener to its last session.
type process struct {
	server *proxy.Server
	log    *zap.Logger
	// begin, if set, starts what has to find the listeners bound.
	begin func(context.Context) error
	// announce is told once connections are accepted.
	announce func([]proxy.Bound) error
	// reload follows SIGHUP. Without it SIGHUP stops the server.
	reload func()
	// look, if set, is called now and then to look for new certificates.
	look func()
	// stopping, if set, is called when draining begins, and must not wait.
	stopping func()
}

// lookInterval is how long a renewed certificate may lie there unnoticed.
const lookInterval = 2 * time.Second

// run binds every listener, announces them and serves until SIGTERM or SIGINT;
// then running sessions may end. A second signal is not that patient.
func (p process) run(ctx context.Context) error {
	// Before the listeners are announced: who reads the line may send a signal.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	if err := p.server.Listen(ctx); err != nil {
		return err
	}
	if p.begin != nil {
		if err := p.begin(ctx); err != nil {
			return err // the process ends, and the listeners with it
		}
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	ended := make(chan error, 1)
	go p.serve(ctx, ended)
	for _, l := range p.server.Listeners() {
		p.log.Info("listening", zap.String("listener", l.Name), zap.Stringer("address", l.Addr))
	}
	if err := p.announce(p.server.Listeners()); err != nil {
		drain()
		return errors.Join(err, <-ended)
	}
	return p.obey(ctx, drain, signals, ended)
}

func (p process) serve(ctx context.Context, ended chan<- error) {
	ended <- p.server.Serve(ctx)
}

// printListeners writes the real addresses, so that port 0 is usable.
func printListeners(bound []proxy.Bound) error {
	for _, l := range bound {
		if _, err := fmt.Printf("listening %s %s\n", l.Name, l.Addr); err != nil {
			return fmt.Errorf("announce listener: %w", err)
		}
	}
	return nil
}

func (p process) obey(ctx context.Context, drain func(), signals <-chan os.Signal, ended <-chan error) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if p.look != nil {
				p.look()
			}
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP && p.reload != nil:
				p.reload()
			case ctx.Err() != nil:
				return errCut
			default:
				drain()
				if p.stopping != nil {
					p.stopping()
				}
			}
		}
	}
}

package main

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

const (
	// reminder is how often the log says what certificates are being waited for.
	reminder = time.Minute
	// maxReminders bounds the lines each time: hundreds of names mostly wait for
	// the same thing.
	maxReminders = 20
)

// orders keeps the certificates of authorities going, from one configuration to
// the next.
type orders struct {
	log        *zap.Logger
	challenges tlsterm.Challenges
	running    []configs.Ordered
	reminded   time.Time
	closing    sync.WaitGroup
	stopped    bool // nothing is ordered any more
	opened     configs.Opened
}

func (o *orders) environment() configs.Environment {
	return configs.Environment{Challenges: &o.challenges, Observe: o.observe, Opened: &o.opened}
}

// observe logs what happens to a certificate. Steps are for who wants to know
// why it takes so long.
func (o *orders) observe(certificate string, e tlsterm.ACMEEvent) {
	fields := []zap.Field{zap.String("certificate", certificate), zap.String("name", e.Name)}
	switch e.Kind {
	case tlsterm.ACMEReplaced:
		o.log.Info("certificate served", append(fields, zap.String("state", e.Text))...)
	case tlsterm.ACMEFailed:
		o.log.Warn("certificate not obtained", append(fields, zap.String("error", e.Text))...)
	case tlsterm.ACMEStep:
		o.log.Debug("certificate ordered", append(fields, zap.String("state", e.Text))...)
	case tlsterm.ACMEWarned:
		o.log.Warn("certificate order", append(fields, zap.String("error", e.Text))...)
	}
}

// prepare takes what a configuration needs, all or nothing: the error names an
// address that cannot be had. What is prepared can still be dropped, and has asked
// no authority for anything.
func (o *orders) prepare(ctx context.Context, built configs.Built) error {
	for i, a := range built.ACME {
		if err := a.ACME.Prepare(ctx); err != nil {
			o.drop(built.ACME[:i])
			return err
		}
	}
	if diags := built.Keep(); diags.HasErrors() {
		o.drop(built.ACME)
		printDiagnostics(diags)
		return errPrinted
	}
	return nil
}

// follow starts what was prepared, and ends what the configuration before has
// started. What both have in common was never interrupted: the storage and the
// addresses are shared.
func (o *orders) follow(ctx context.Context, ordered []configs.Ordered) {
	o.drop(o.running)
	o.opened.Forget()
	if o.stopped { // a reload while sessions drain
		o.drop(ordered)
		ordered = nil
	}
	o.running = ordered
	for _, a := range ordered {
		if err := a.ACME.Start(ctx); err != nil { // cannot be: it is prepared
			o.log.Error("certificate not ordered", zap.String("certificate", a.Name), zap.Error(err))
		}
	}
}

// drop ends all at once and waits for none: signals must be obeyed, whatever a
// program or a web service is doing that was asked for a record.
func (o *orders) drop(ordered []configs.Ordered) {
	for _, a := range ordered {
		o.closing.Go(a.ACME.Close)
	}
}

// stop begins to end everything; certificates are still served.
func (o *orders) stop() {
	o.stopped = true
	o.follow(context.Background(), nil)
}

// end returns when everything has ended.
func (o *orders) end() {
	o.stop()
	o.closing.Wait()
}

// look reminds now and then of certificates that are not there yet.
func (o *orders) look(now time.Time) {
	if now.Sub(o.reminded) < reminder {
		return
	}
	o.reminded = now
	waiting := 0
	for _, a := range o.running {
		for _, s := range a.ACME.Status(context.Background()) {
			if s.Waiting == "" {
				continue
			}
			if waiting++; waiting <= maxReminders {
				o.log.Warn("waiting for a certificate", zap.String("certificate", a.Name), zap.String("name", s.Name), zap.String("state", s.Waiting))
			}
		}
	}
	if waiting > maxReminders {
		o.log.Warn("waiting for more certificates", zap.Int("certificates", waiting-maxReminders))
	}
}

package main

import (
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/configs"
)

// watcher looks for certificates that were replaced while the program runs. New
// sessions are shown the new one; running ones keep theirs.
type watcher struct {
	log     *zap.Logger
	watched []configs.Watched
	// failures are, by name, what the latest looks have found unusable.
	failures map[string]failure
	// warnings are the latest, by name, also across configurations.
	warnings map[string]warning
}

// A warning was written to the log.
type warning struct {
	text string
	at   time.Time
}

// A failure is what looks in a row have found.
type failure struct {
	text  string
	looks int
	told  time.Time // zero: not yet
}

// warnAgain is how often the same warning is repeated.
const warnAgain = 24 * time.Hour

// follow turns to the certificates of a new configuration.
func (w *watcher) follow(watched []configs.Watched) {
	w.watched, w.failures = watched, nil
}

func (w *watcher) look(now time.Time) {
	for _, c := range w.watched {
		w.warn(c, now)
		changed, err := c.Source.Reload()
		switch {
		case err != nil:
			w.complain(c, oneLine(err), now)
			continue
		case changed:
			w.log.Info(c.What+" replaced", zap.String("certificate", c.Name))
		}
		delete(w.failures, c.What+c.Name)
	}
}

// warn writes what is wrong with something in use, or soon will be.
func (w *watcher) warn(c configs.Watched, now time.Time) {
	key, text := c.What+c.Name, c.Source.Warning(now)
	last := w.warnings[key]
	if text == "" || text == last.text && now.Sub(last.at) < warnAgain {
		return
	}
	if w.warnings == nil {
		w.warnings = map[string]warning{}
	}
	w.warnings[key] = warning{text, now}
	w.log.Warn(c.What+" needs attention", zap.String("certificate", c.Name), zap.String("state", text))
}

// complain waits for the second look: between the writing of a certificate and
// of its key the two do not match. It repeats itself once a day.
func (w *watcher) complain(c configs.Watched, text string, now time.Time) {
	if w.failures == nil {
		w.failures = map[string]failure{}
	}
	key := c.What + c.Name
	f := w.failures[key]
	if f.text != text {
		f = failure{text: text}
	}
	if f.looks++; f.looks > 1 && now.Sub(f.told) >= warnAgain {
		f.told = now
		w.log.Warn(c.What+" not replaced", zap.String("certificate", c.Name), zap.String("error", text))
	}
	w.failures[key] = f
}

// oneLine joins the lines of several mistakes.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

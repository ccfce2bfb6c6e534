package main

import (
	"go.uber.org/zap"

	"github.com/ftpsproxy/ftpsproxy/configs"
)

// watcher looks for certificates that were replaced while the program runs. New
// sessions are shown the new one; running ones keep theirs.
type watcher struct {
	log     *zap.Logger
	watched []configs.Watched
	// failures counts, by name, looks in a row that found something unusable.
	failures map[string]int
}

// follow turns to the certificates of a new configuration.
func (w *watcher) follow(watched []configs.Watched) {
	w.watched, w.failures = watched, nil
}

func (w *watcher) look() {
	for _, c := range w.watched {
		changed, err := c.Source.Reload()
		switch {
		case err != nil:
			w.complain(c.Name, err)
			continue
		case changed:
			w.log.Info("certificate replaced", zap.String("certificate", c.Name))
		}
		delete(w.failures, c.Name)
	}
}

// complain waits for the second look: between the writing of a certificate and
// of its key the two do not match. It does not repeat itself.
func (w *watcher) complain(name string, err error) {
	if w.failures == nil {
		w.failures = map[string]int{}
	}
	w.failures[name]++
	if w.failures[name] == 2 {
		w.log.Warn("certificate not replaced", zap.String("certificate", name), zap.Error(err))
	}
}

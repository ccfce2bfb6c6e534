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
			w.complain(c, err)
			continue
		case changed:
			w.log.Info(c.What+" replaced", zap.String("certificate", c.Name))
		}
		delete(w.failures, c.What+c.Name)
	}
}

// complain waits for the second look: between the writing of a certificate and
// of its key the two do not match. It does not repeat itself.
func (w *watcher) complain(c configs.Watched, err error) {
	if w.failures == nil {
		w.failures = map[string]int{}
	}
	w.failures[c.What+c.Name]++
	if w.failures[c.What+c.Name] == 2 {
		w.log.Warn(c.What+" not replaced", zap.String("certificate", c.Name), zap.Error(err))
	}
}

package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// onFEAT composes the list: what the upstream has, less what the proxy takes
// over, plus what the proxy offers itself (RFC 2389).
func (s *session) onFEAT() error {
	if s.upstream.control == nil {
		s.answer(ftpparse.FormatFEAT(s.features(safeCore)))
		return nil
	}
	return s.ask(&exchange{command: ftpparse.Command{Verb: "FEAT"}, onReply: s.onFEATReply})
}

// safeCore is what is announced before the upstream has been asked: practically
// every server has it, and a client that is told wrong gets a plain 500.
var safeCore = []ftpparse.Feature{{Line: "MDTM"}, {Line: "REST STREAM"}, {Line: "SIZE"}}

func (s *session) onFEATReply(_ context.Context, e *exchange, r ftpparse.Reply) error {
	switch {
	case r.Class() == ftpparse.Preliminary:
	case r.Class() != ftpparse.Completion && s.phase != phaseReady:
		e.conclude(ftpparse.FormatFEAT(s.features(safeCore))) // it may tell after login
	case r.Class() != ftpparse.Completion:
		e.conclude(ftpparse.FormatFEAT(s.features(nil)))
	default:
		list, err := ftpparse.ParseFEAT(r)
		if err != nil {
			s.log.Warn("feature list not understood", logError(err))
		}
		s.learn(list)
		e.conclude(ftpparse.FormatFEAT(s.features(list)))
	}
	return nil
}

// learn remembers which commands the upstream offers for opening its leg.
func (s *session) learn(list []ftpparse.Feature) {
	for _, f := range list {
		switch f.Name() {
		case "EPSV":
			s.upstream.passive.offered = true
		case "EPRT":
			s.upstream.active.offered = true
		}
	}
}

// features is the list for the client, ours first.
func (s *session) features(upstream []ftpparse.Feature) []ftpparse.Feature {
	var list []ftpparse.Feature
	if s.listener.TLS.Mode != TLSOff {
		list = append(list, ftpparse.Feature{Line: "AUTH TLS"}, ftpparse.Feature{Line: "PBSZ"}, ftpparse.Feature{Line: "PROT"})
	}
	if s.listener.TLS.Mode != TLSOff && s.listener.TLS.AllowCCC {
		list = append(list, ftpparse.Feature{Line: "CCC"})
	}
	if s.listener.Active.Enabled {
		list = append(list, ftpparse.Feature{Line: "EPRT"})
	}
	list = append(list, ftpparse.Feature{Line: "EPSV"}, ftpparse.Feature{Line: "HOST"})
	for _, f := range upstream {
		if !takenOver(f.Name()) {
			list = append(list, f)
		}
	}
	return slices.DeleteFunc(list, s.neverAllowed)
}

// takenOver lists the features that are the proxy's business whatever the
// upstream says of them.
func takenOver(feature string) bool {
	switch feature {
	case "AUTH", "PBSZ", "PROT", "CCC", "SSCN", "CPSV", "EPSV", "EPRT", "HOST", "LPRT", "LPSV", "PASV", "PORT", "ESTA", "ESTP":
		return true
	}
	return false
}

// isUTF8Option recognises "UTF8", "UTF8 ON" and "UTF-8 ON", as clients write it.
func isUTF8Option(argument string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(argument), " ")
	return (strings.EqualFold(name, "UTF8") || strings.EqualFold(name, "UTF-8")) &&
		(value == "" || strings.EqualFold(value, "ON"))
}

package conversation

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ftpsproxy/ftpsproxy/proxy"
)

// phraseOf finds what an actor does in a phrase. It is nil if the actor cannot
// do that.
func phraseOf(s Step) func(*stage) error {
	if do := bulkPhrase(s); do != nil {
		return do
	}
	switch s.Actor {
	case "C":
		return clientPhrase(s.Action)
	case "U":
		return upstreamPhrase(s.Action)
	case "S":
		return strangerPhrase(s.Action)
	case "P":
		return proxyPhrase(s)
	}
	if s.Actor == "CD" {
		if do := clientDataPhrase(s.Action); do != nil {
			return do
		}
	} else if do := upstreamDataPhrase(s.Action); do != nil {
		return do
	}
	return dataPhrase(s.Actor, s.Action)
}

func clientPhrase(action string) func(*stage) error {
	switch action {
	case "connects":
		return (*stage).connect
	case "starts TLS":
		return func(st *stage) error {
			return st.withControl("C", func(c *control) error { return c.startTLS(st.tls) })
		}
	case "fails TLS":
		return func(st *stage) error {
			return st.withControl("C", func(c *control) error { return c.isRefusedTLS(st.tls) })
		}
	case "ends TLS":
		return func(st *stage) error { return st.withControl("C", (*control).endTLS) }
	case "leaves TLS":
		return func(st *stage) error { return st.withControl("C", (*control).leaveTLS) }
	case "listens":
		return func(st *stage) error { return st.clientData.listen(st.clientHost()) }
	case "listens nowhere":
		return func(st *stage) error { return st.clientData.listenNowhere(st.clientHost()) }
	}
	return controlPhrase("C", action)
}

func upstreamPhrase(action string) func(*stage) error {
	switch action {
	case "is dialled":
		return (*stage).isDialled
	case "refuses":
		return (*stage).refuse
	case "starts TLS":
		return func(st *stage) error {
			return st.secretly(func(s *secrecy) error { return st.upstream.serveTLS(s.usual) })
		}
	case "fails TLS as somebody else":
		return func(st *stage) error {
			return st.secretly(func(s *secrecy) error { return st.upstream.failTLS(s.somebodyElse) })
		}
	case "listens":
		return func(st *stage) error { return st.upData.listen(st.upstreamHost()) }
	case "listens nowhere":
		return func(st *stage) error { return st.upData.listenNowhere(st.upstreamHost()) }
	}
	return controlPhrase("U", action)
}

func controlPhrase(actor, action string) func(*stage) error {
	var do func(*control) error
	switch action {
	case "ends":
		do = (*control).end
	case "resets":
		do = (*control).reset
	case "hears the end":
		do = (*control).hearEnd
	case "has nothing to hear":
		do = (*control).nothing
	default:
		return nil
	}
	return func(st *stage) error { return st.withControl(actor, do) }
}

func (st *stage) withControl(actor string, do func(*control) error) error {
	c, err := st.control(actor)
	if err != nil {
		return err
	}
	return do(c)
}

func strangerPhrase(action string) func(*stage) error {
	switch action {
	case "dials":
		return func(st *stage) error {
			// Every address of 127.0.0.0/8 is a host of its own on loopback.
			c, err := dialTCP(st.clientData.target, netip.AddrFrom4([4]byte{127, 0, 0, 2}), st.patience)
			if err != nil {
				return err
			}
			return st.stranger.open(c)
		}
	case "is closed":
		return func(st *stage) error { return st.stranger.isClosed() }
	}
	return nil
}

// clientDataPhrase is what only the client does on its data connection, as TLS
// client.
func clientDataPhrase(action string) func(*stage) error {
	switch action {
	case "starts TLS":
		return func(st *stage) error { return st.clientData.startTLS(st.tls) }
	case "starts TLS anew":
		return func(st *stage) error {
			cfg := st.tls.Clone()
			cfg.ClientSessionCache = nil
			return st.clientData.startTLS(cfg)
		}
	case "dials in vain":
		return func(st *stage) error { return dialInVain(st.clientData.target, st.patience) }
	case "dials the former port in vain":
		return func(st *stage) error { return dialInVain(st.clientData.former, st.patience) }
	}
	return nil
}

// upstreamDataPhrase is what only the upstream does on its data connection, as
// TLS server, whoever has dialled.
func upstreamDataPhrase(action string) func(*stage) error {
	var choose func(*secrecy) *tls.Config
	switch action {
	case "starts TLS":
		choose = func(s *secrecy) *tls.Config { return s.usual }
	case "starts TLS anew":
		choose = (*secrecy).unresumed
	case "starts TLS as somebody else":
		choose = func(s *secrecy) *tls.Config { return s.somebodyElse }
	default:
		return nil
	}
	return func(st *stage) error {
		return st.secretly(func(s *secrecy) error { return st.upData.serveTLS(choose(s)) })
	}
}

// secretly does something for which the upstream must be a TLS server, and there.
func (st *stage) secretly(do func(*secrecy) error) error {
	if st.secrecy == nil {
		return errors.New("the upstream has no TLS")
	}
	if _, err := st.control("U"); err != nil {
		return err
	}
	return do(st.secrecy)
}

func dataPhrase(actor, action string) func(*stage) error {
	var do func(*leg) error
	switch action {
	case "accepts":
		do = (*leg).accept
	case "dials":
		do = (*leg).dial
	case "ends":
		do = (*leg).end
	case "cuts off":
		do = (*leg).cutOff
	case "resets":
		do = (*leg).reset
	case "hears the end":
		do = (*leg).hearEnd
	case "hears a reset":
		do = (*leg).hearReset
	case "is closed":
		do = (*leg).isClosed
	case "is in TLS":
		do = (*leg).isInTLS
	case "fails TLS":
		do = (*leg).failTLS
	case "breaks TLS":
		do = (*leg).breakTLS
	case "resumed TLS":
		do = func(l *leg) error { return l.hasResumed(true) }
	case "has not resumed TLS":
		do = func(l *leg) error { return l.hasResumed(false) }
	default:
		return nil
	}
	return func(st *stage) error { return do(st.leg(actor)) }
}

// bulkPhrase is "sends N bytes" or "receives N bytes" on a data connection.
func bulkPhrase(s Step) func(*stage) error {
	words := strings.Fields(s.Action)
	if len(words) != 3 || words[2] != "bytes" || s.Actor != "CD" && s.Actor != "UD" {
		return nil
	}
	n, err := strconv.ParseUint(words[1], 10, 30)
	if err != nil {
		return nil
	}
	switch words[0] {
	case "sends":
		return func(st *stage) error { return st.leg(s.Actor).send(bulk(int(n))) }
	case "receives":
		return func(st *stage) error { return st.leg(s.Actor).receive(bulk(int(n))) }
	}
	return nil
}

// connect opens the client's control connection.
func (st *stage) connect() error {
	if st.client != nil && !st.client.over {
		return errors.New("the client is connected already")
	}
	tcp, err := dialTCP(st.subject.Addr(), netip.Addr{}, st.patience)
	if err != nil {
		return err
	}
	st.client = newControl(tcp, st.patience)
	if st.script.Settings.Listener.TLS.Mode != proxy.TLSImplicit {
		return nil
	}
	return st.client.startTLS(st.tls)
}

// clientHost is the address the client listens at: the one it connects from.
func (st *stage) clientHost() netip.Addr { return st.subject.Addr().Addr() }

func (st *stage) upstreamHost() netip.Addr {
	return st.upstream.tcp.LocalAddr().(*net.TCPAddr).AddrPort().Addr()
}

// isDialled waits for the proxy's control connection to the upstream. The one
// before, if any, must have been ended by the proxy.
func (st *stage) isDialled() error {
	if u := st.upstream; u != nil && !u.over {
		if err := u.hearEnd(); err != nil {
			return fmt.Errorf("the former connection: %w", err)
		}
	}
	if st.door == nil {
		return errors.New("the upstream refuses")
	}
	if err := st.door.SetDeadline(time.Now().Add(st.patience)); err != nil {
		return err
	}
	tcp, err := st.door.AcceptTCP()
	if err != nil {
		return fmt.Errorf("nobody dialled: %w", err)
	}
	st.upstream = newControl(tcp, st.patience)
	st.upstream.isUpstream = true
	return nil
}

func (st *stage) refuse() error {
	door := st.door
	st.door = nil
	if door == nil {
		return nil
	}
	return errors.Join(nobodyWaits(door), door.Close())
}

package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// onPassive prepares a transfer whose client leg we listen for. The upstream is
// asked at once, not at the transfer command: so PASV keeps its place between
// REST and RETR, and an upstream that refuses says so where a client expects it.
func (s *session) onPassive(ctx context.Context, c ftpparse.Command) error {
	local := localAddr(s.client.tcp).Addr()
	if r, ok := s.refusePassive(c, local); ok {
		s.answer(r)
		return nil
	}
	advertised := local
	if c.Verb == "PASV" {
		var err error
		if advertised, err = s.listener.advertised.address(local, peerAddr(s.client.tcp).Addr()); err != nil {
			s.log.Warn("no address for PASV", logError(err))
			s.answer(ftpparse.NewReply(425, "No IPv4 address to offer here, use EPSV."))
			return nil
		}
	}
	s.dropTransfer()
	l, err := s.listener.ports.listen(local)
	if err != nil {
		s.log.Warn("no passive port", logError(err))
		s.answer(replyNoPort)
		return nil
	}
	s.transfer = s.newTransfer()
	port := l.addrPort().Port()
	s.transfer.acceptClient(l, peerAddr(s.client.tcp).Addr())
	reply := ftpparse.Format229(port)
	if c.Verb == "PASV" {
		reply = ftpparse.Format227(netip.AddrPortFrom(advertised, port))
	}
	return s.openUpstreamLeg(ctx, s.listener.Upstream.Config().DataMode == upstream.DataActive, reply)
}

// refusePassive answers what cannot be done (RFC 2428 §3).
func (s *session) refusePassive(c ftpparse.Command, local netip.Addr) (ftpparse.Reply, bool) {
	if s.upstream.control == nil {
		return s.replyAlone(c), true
	}
	if c.Verb == "PASV" {
		switch {
		case s.account.epsvAll:
			return replyEPSVAll, true
		case !local.Is4():
			// Also with an IPv4 address to advertise: a data connection from the
			// client's IPv4 address could not show that it belongs to this one.
			return ftpparse.NewReply(425, "PASV is for IPv4, use EPSV."), true
		}
		return ftpparse.Reply{}, false
	}
	family, err := ftpparse.ParseEPSV(c.Argument)
	switch {
	case errors.Is(err, ftpparse.ErrFamily):
		return ftpparse.NewReply(522, "Network protocol not supported, use (1,2)"), true
	case err != nil:
		return syntaxReply(err), true
	case family == ftpparse.EPSVAll:
		s.account.epsvAll = true
		return ftpparse.NewReply(200, "EPSV ALL ok."), true
	case family == ftpparse.EPSV1 && !local.Is4(), family == ftpparse.EPSV2 && local.Is4():
		return ftpparse.NewReply(522, "Not the protocol of this connection, use ("+familyNumber(local)+")"), true
	}
	return ftpparse.Reply{}, false
}

// familyNumber is RFC 2428's <net-prt>.
func familyNumber(a netip.Addr) string {
	if a.Is4() {
		return "1"
	}
	return "2"
}

// onActive prepares a transfer whose client leg we dial. The address must be the
// client's own: anything else is the bounce attack of RFC 2577 §3, or a private
// address behind a NAT, which is refused rather than guessed.
func (s *session) onActive(ctx context.Context, c ftpparse.Command) error {
	target, r, refused := s.parseActive(c)
	if refused {
		s.answer(r)
		return nil
	}
	s.dropTransfer()
	s.transfer = s.newTransfer()
	d := net.Dialer{LocalAddr: s.activeSource(), KeepAlive: -1}
	s.transfer.clientDial = func(ctx context.Context) (*net.TCPConn, error) {
		conn, err := d.DialContext(ctx, "tcp", target.String())
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	reply := ftpparse.NewReply(200, c.Verb+" command successful.")
	return s.openUpstreamLeg(ctx, s.listener.Upstream.Config().DataMode != upstream.DataPassive, reply)
}

func (s *session) activeSource() net.Addr {
	source := s.listener.Active.Bind
	if !source.IsValid() {
		source = localAddr(s.client.tcp).Addr()
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
}

func (s *session) parseActive(c ftpparse.Command) (netip.AddrPort, ftpparse.Reply, bool) {
	parse := ftpparse.ParsePORT
	if c.Verb == "EPRT" {
		parse = ftpparse.ParseEPRT
	}
	target, err := parse(c.Argument)
	peer := peerAddr(s.client.tcp).Addr()
	switch {
	case !s.listener.Active.Enabled:
		return target, replyNotOffered, true
	case s.upstream.control == nil:
		return target, s.replyAlone(c), true
	case s.account.epsvAll:
		return target, replyEPSVAll, true
	case errors.Is(err, ftpparse.ErrFamily):
		return target, ftpparse.NewReply(522, "Network protocol not supported, use (1,2)"), true
	case err != nil:
		return target, syntaxReply(err), true
	case target.Addr().Unmap() != peer.WithZone(""), target.Port() < 1024:
		s.log.Warn("illegal PORT", logCommand(c))
		return target, replyIllegalPort, true
	}
	return netip.AddrPortFrom(peer, target.Port()), ftpparse.Reply{}, false
}

// A translation asks the upstream for its leg on behalf of a client's command,
// and answers the client when the upstream has agreed.
type translation struct {
	active   bool // the upstream dials
	extended bool // EPSV or EPRT is being tried
	reply    ftpparse.Reply
	target   netip.AddrPort // of our PORT
}

// openUpstreamLeg asks the upstream; reply is what the client hears on success.
func (s *session) openUpstreamLeg(ctx context.Context, active bool, reply ftpparse.Reply) error {
	t := &translation{active: active, reply: reply}
	u := s.upstream.control.tcp
	t.extended = !peerAddr(u).Addr().Is4() || s.upstream.form(active).extended()
	if active {
		ln, err := listenTCP(localAddr(u).Addr(), 0)
		if err != nil {
			s.log.Warn("no port for the upstream", logError(err))
			s.dropTransfer()
			s.answer(replyNoPort)
			return nil
		}
		t.target = unmapped(ln.Addr())
		s.transfer.acceptUpstream(ln, peerAddr(u).Addr())
	}
	s.upstream.translating = true
	return s.ask(&exchange{command: t.command(), onReply: func(_ context.Context, e *exchange, r ftpparse.Reply) error {
		return s.onTranslated(ctx, t, e, r)
	}})
}

// command is what the upstream is asked: the extended form where it offers it
// or IPv6 needs it, the old one otherwise.
func (t *translation) command() ftpparse.Command {
	switch {
	case t.active && t.extended:
		return ftpparse.FormatEPRT(t.target)
	case t.active:
		return ftpparse.FormatPORT(t.target)
	case t.extended:
		return ftpparse.Command{Verb: "EPSV"}
	default:
		return ftpparse.Command{Verb: "PASV"}
	}
}

func (s *session) onTranslated(ctx context.Context, t *translation, e *exchange, r ftpparse.Reply) error {
	v4 := peerAddr(s.upstream.control.tcp).Addr().Is4()
	switch {
	case r.Class() == ftpparse.Preliminary:
		return nil
	case v4 && s.transfer != nil && refusesForm(r.Code) && s.upstream.form(t.active).refuse(t.extended):
		t.extended = !t.extended
		e.command = t.command()
		return s.resend(e)
	}
	s.upstream.translating = false
	if s.transfer == nil { // its port was lost meanwhile: descriptors have run out
		e.conclude(replyCannotOpen)
		return nil
	}
	if r.Class() != ftpparse.Completion {
		s.dropTransfer()
		e.conclude(s.worded(e.command, r))
		return nil
	}
	if !t.active {
		target, err := s.passiveTarget(e.command.Verb, r)
		if err != nil {
			s.log.Warn("passive reply not understood", logCode(r.Code), logError(err))
			s.dropTransfer()
			e.conclude(replyCannotOpen)
			return nil
		}
		s.transfer.upstreamDial = dial(ctx, func(ctx context.Context) (*net.TCPConn, error) {
			return s.listener.Upstream.DialData(ctx, target)
		})
	}
	s.transfer.announced()
	e.conclude(t.reply)
	return nil
}

// refusesForm lists the replies after which the other form is tried, EPSV for PASV,
// PORT for EPRT: the verb is unknown, its form not understood, or the family not
// served.
func refusesForm(code int) bool {
	return code == 500 || code == 501 || code == 502 || code == 522
}

// passiveTarget is where the upstream's leg is dialled. The address in a 227 is
// not believed unless the operator says so: it may be one that only the
// upstream's own network knows, or somebody else's (RFC 2577 §3).
func (s *session) passiveTarget(verb string, r ftpparse.Reply) (netip.AddrPort, error) {
	peer := peerAddr(s.upstream.control.tcp).Addr()
	if verb == "EPSV" {
		port, err := ftpparse.Parse229(r)
		return netip.AddrPortFrom(peer, port), err
	}
	target, err := ftpparse.Parse227(r)
	if err != nil || s.listener.Upstream.Config().BelieveReply {
		return target, err
	}
	return netip.AddrPortFrom(peer, target.Port()), nil
}

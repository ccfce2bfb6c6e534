package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// What an upstream may answer to AUTH and must not, and what ends the attempt.
var (
	errNoTLS      = errors.New("the upstream refuses TLS; nothing is sent in clear text")
	errADAT       = errors.New("the upstream wants ADAT (334), which TLS has no use for")
	errProtected  = errors.New("the upstream sent a protected reply (6yz), which TLS has no use for")
	errReplyEarly = errors.New("bytes arrived between the upstream's 234 and the TLS handshake")
	errNoPrivacy  = errors.New("the upstream refuses the protection level for data connections")
)

// reach dials the upstream, starts TLS if it is to, and awaits the greeting.
// private is the level of the client's data connections, which the upstream's
// may be told to match. The control connection is the caller's.
func (l *settings) reach(ctx context.Context, private bool) (*upstreamControl, ftpparse.Reply, error) {
	tcp, err := l.Upstream.Dial(ctx)
	if err != nil {
		return nil, ftpparse.Reply{}, atSide(sideUpstream, "connect", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	defer stop()
	r := reaching{upstreamControl: newUpstreamControl(tcp, l.limits), limits: l.limits, tls: l.Upstream.Config().TLS}
	if r.tls.Data != upstream.DataSame {
		private = r.tls.Data == upstream.DataPrivate
	}
	greeting, err := r.negotiate(ctx, private)
	if err != nil {
		r.close()
		return nil, ftpparse.Reply{}, err
	}
	_ = tcp.SetReadDeadline(time.Time{})
	return r.upstreamControl, greeting, nil
}

// reaching is an upstream's control connection while nobody else reads it: the
// conversation before USER is one command, one reply.
type reaching struct {
	*upstreamControl
	limits Limits
	tls    upstream.TLSConfig
}

// negotiate brings the connection to where USER may be said. A greeting that is
// no welcome is returned without going on.
func (r reaching) negotiate(ctx context.Context, private bool) (ftpparse.Reply, error) {
	if r.tls.Mode == upstream.TLSImplicit {
		if err := r.handshake(ctx); err != nil {
			return ftpparse.Reply{}, err
		}
	}
	greeting, err := r.hear("read greeting")
	if err != nil || greeting.Class() != ftpparse.Completion || r.tls.Mode == upstream.TLSOff {
		return greeting, err
	}
	if r.tls.Mode == upstream.TLSExplicit {
		if err := r.auth(ctx); err != nil {
			return ftpparse.Reply{}, err
		}
	}
	return greeting, r.protect(private)
}

// auth says AUTH TLS, or AUTH SSL to servers from before RFC 4217 that know the
// same handshake by that name. It never goes on in clear text.
func (r reaching) auth(ctx context.Context) error {
	reply, err := r.converse("AUTH", "TLS")
	if err == nil && (reply.Code == 500 || reply.Code == 502 || reply.Code == 504) {
		reply, err = r.converse("AUTH", "SSL")
	}
	switch {
	case err != nil:
		return err
	case reply.Code == 334:
		return atSide(sideUpstream, "AUTH", errADAT)
	case reply.Class() != ftpparse.Completion:
		return atSide(sideUpstream, "AUTH", fmt.Errorf("%w (%d)", errNoTLS, reply.Code))
	case r.reader.Buffered() > 0:
		return atSide(sideUpstream, "AUTH", errReplyEarly)
	}
	return r.handshake(ctx)
}

func (r reaching) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.ReplyTimeout, errReplyTimeout)
	defer cancel()
	_ = r.tcp.SetDeadline(time.Time{})
	origin := r.tls.Originator.Bind()
	conn, err := origin.Control(ctx, r.tcp)
	if err != nil {
		return atSide(sideUpstream, "TLS handshake", err)
	}
	r.origin = origin
	r.use(conn, r.limits)
	return nil
}

// protect agrees on the level of data connections (RFC 4217 §9).
func (r reaching) protect(private bool) error {
	reply, err := r.converse("PBSZ", "0")
	if err == nil && reply.Class() == ftpparse.Completion {
		reply, err = r.converse("PROT", protLevel(private))
		if err == nil && reply.Class() != ftpparse.Completion && !private && r.tls.Data == upstream.DataSame {
			// The client may still say PROT P. Until then transfers are clear, as
			// they are after PBSZ, and refused by this server.
			return nil
		}
	}
	if err != nil {
		return err
	}
	if reply.Class() != ftpparse.Completion {
		return atSide(sideUpstream, "PROT", fmt.Errorf("%w (%d)", errNoPrivacy, reply.Code))
	}
	r.private = private
	return nil
}

func protLevel(private bool) string {
	if private {
		return "P"
	}
	return "C"
}

func (r reaching) converse(verb, argument string) (ftpparse.Reply, error) {
	if err := r.send(ftpparse.Command{Verb: verb, Argument: argument, Space: true}); err != nil {
		return ftpparse.Reply{}, err
	}
	return r.hear("read reply to " + verb)
}

// hear reads a reply that is not preliminary (120: ready in a while).
func (r reaching) hear(step string) (ftpparse.Reply, error) {
	for {
		_ = r.tcp.SetReadDeadline(time.Now().Add(r.limits.ReplyTimeout))
		reply, err := r.reader.Read()
		if err != nil {
			return reply, atSide(sideUpstream, step, err)
		}
		switch reply.Class() {
		case ftpparse.Preliminary:
		case ftpparse.Protected:
			return reply, atSide(sideUpstream, step, fmt.Errorf("%w (%d)", errProtected, reply.Code))
		default:
			return reply, nil
		}
	}
}

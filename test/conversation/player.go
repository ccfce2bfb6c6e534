package conversation

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ftpsproxy/ftpsproxy/policy"
	"github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// A Player plays scripts.
type Player struct {
	// Start starts what is to be tested.
	Start func(s Settings, u Upstream) (Subject, error)
	// Patience is how long anything that must happen may take.
	Patience time.Duration
}

// A Subject is what stands between the peers: a running proxy.
type Subject interface {
	// Addr is where clients connect.
	Addr() netip.AddrPort
	// Roots are the certificates that clients trust.
	Roots() *x509.CertPool
	// Log is what has been logged so far.
	Log() string
	// Reload puts another policy into force, or none.
	Reload(p *policy.Policy) error
	// Stop ends it and waits; nothing may be left afterwards.
	Stop() error
}

// A stage holds the peers of one conversation being played.
type stage struct {
	patience   time.Duration
	script     *Script
	subject    Subject
	door       *net.TCPListener // where the upstream is dialled; nil once it refuses
	client     *control
	upstream   *control
	clientData *leg
	upData     *leg
	stranger   *leg
	tls        *tls.Config       // the client's
	secrecy    *secrecy          // the upstream's; nil: it knows no TLS
	among      map[string][]Step // by actor: the <+ and <- that await their <
	transcript []string
}

// Play plays the script and checks that nothing is left of its session. The
// error holds the transcript up to the line that failed.
func (p Player) Play(s *Script) error {
	before := takeInventory()
	door, err := openDoor(s.Settings.Upstream.Address)
	if err != nil {
		return err
	}
	defer door.Close()
	secrecy, err := newSecrecy(s.Settings.UpstreamTLS.MaxVersion)
	if err != nil {
		return err
	}
	if s.Settings.issuer, err = newClientIssuer(); err != nil {
		return err
	}
	addr := door.Addr().(*net.TCPAddr).AddrPort()
	subject, err := p.Start(s.Settings, Upstream{Addr: addr, Name: upstreamName, Roots: secrecy.roots})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	st := p.stage(s, subject, door)
	if name := s.Settings.Client.Certificate; name != "" {
		shown, err := s.Settings.issuer.issue(name)
		if err != nil {
			return errors.Join(err, subject.Stop())
		}
		st.tls.Certificates = []tls.Certificate{shown}
	}
	if s.Settings.Upstream.TLS.Mode != upstream.TLSOff {
		st.secrecy = secrecy
	}
	err = st.play()
	st.release()
	if err == nil {
		err = st.checkLog()
	}
	// Before the subject: it may hold a connection that nobody has accepted, and
	// its other half would wait for that one for ever.
	_ = door.Close()
	err = errors.Join(err, subject.Stop())
	if err != nil {
		return fmt.Errorf("%w\n%s", err, st.report())
	}
	return before.check("after the proxy has stopped", p.Patience)
}

func (p Player) stage(s *Script, subject Subject, door *net.TCPListener) *stage {
	name := s.Settings.Client.SNI
	if name == "" {
		name = subject.Addr().Addr().String()
	}
	return &stage{
		patience:   p.Patience,
		script:     s,
		subject:    subject,
		door:       door,
		clientData: &leg{patience: p.Patience},
		upData:     &leg{patience: p.Patience},
		stranger:   &leg{patience: p.Patience},
		among:      map[string][]Step{},
		tls: &tls.Config{
			RootCAs:            subject.Roots(),
			ServerName:         name,
			MinVersion:         tls.VersionTLS12,
			MaxVersion:         s.Settings.Client.MaxVersion,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		},
	}
}

// openDoor listens where the upstream is dialled. Without an upstream address
// in the script it is the IPv4 loopback.
func openDoor(address string) (*net.TCPListener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// play carries out the steps, says farewell and looks for leftovers.
func (st *stage) play() error {
	before := takeInventory()
	for _, s := range st.script.Steps {
		st.note("%s:%d  %s", s.File, s.Line, s)
		if err := st.step(s); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", s.File, s.Line, s, err)
		}
	}
	if err := st.farewell(); err != nil {
		return fmt.Errorf("%s: after the last line: %w", st.script.Name, err)
	}
	if err := before.check("after the session", st.patience); err != nil {
		return fmt.Errorf("%s: %w", st.script.Name, err)
	}
	return nil
}

func (st *stage) note(format string, args ...any) {
	st.transcript = append(st.transcript, fmt.Sprintf(format, args...))
}

func (st *stage) step(s Step) error {
	switch s.Action {
	case ">", ">>", "!>":
		return st.say(s)
	case "<+", "<-":
		if s.Actor == "L" {
			return nil // checkLog looks at it, when all has been logged
		}
		st.among[s.Actor] = append(st.among[s.Actor], s)
		return nil
	case "<":
		return st.hear(s)
	}
	return phraseOf(s)(st)
}

// leg is the data connection that belongs to an actor.
func (st *stage) leg(actor string) *leg {
	switch actor {
	case "C", "CD":
		return st.clientData
	case "U", "UD":
		return st.upData
	default:
		return st.stranger
	}
}

func (st *stage) control(actor string) (*control, error) {
	c := st.client
	if actor == "U" {
		c = st.upstream
	}
	if c == nil || c.over {
		return nil, errors.New("there is no control connection")
	}
	return c, nil
}

func (st *stage) say(s Step) error {
	l := st.leg(s.Actor)
	b, err := say(s.Argument, l.here)
	if err != nil {
		return err
	}
	if s.Actor == "CD" || s.Actor == "UD" {
		return l.send(b)
	}
	c, err := st.control(s.Actor)
	if err != nil {
		return err
	}
	switch s.Action {
	case ">":
		return c.say(append(b, "\r\n"...))
	case "!>":
		return c.sayUrgent(b)
	}
	return c.say(b)
}

func (st *stage) hear(s Step) error {
	if s.Actor == "CD" || s.Actor == "UD" {
		want, err := say(s.Argument, netip.AddrPort{})
		if err != nil {
			return err
		}
		return st.leg(s.Actor).receive(want)
	}
	c, err := st.control(s.Actor)
	if err != nil {
		return err
	}
	want, err := parsePattern(s.Argument)
	if err != nil {
		return err
	}
	heard, err := st.hearAmong(c, s, want)
	if err != nil {
		return err
	}
	found, ok := want.match(heard, c.peerAddr())
	if !ok {
		return fmt.Errorf("heard %q", heard)
	}
	if l := st.leg(s.Actor); found.IsValid() {
		l.former, l.target = l.target, found
	}
	return nil
}

// hearAmong hears the lines in front of the wanted one that the steps <+ and <-
// speak of, if there are any, and returns the line after them.
func (st *stage) hearAmong(c *control, s Step, want *pattern) ([]byte, error) {
	among := st.among[s.Actor]
	delete(st.among, s.Actor)
	var before [][]byte
	for {
		line, err := c.hear()
		if err != nil {
			return nil, err
		}
		st.note("\t%s heard %.200q", s.Actor, line)
		if _, ok := want.match(line, c.peerAddr()); ok || len(among) == 0 {
			return line, checkAmong(among, before)
		}
		before = append(before, line)
	}
}

// checkAmong wants a line for each <+ and none for each <-.
func checkAmong(among []Step, lines [][]byte) error {
	for _, s := range among {
		p, err := parsePattern(s.Argument)
		if err != nil {
			return err
		}
		found := false
		for _, l := range lines {
			_, ok := p.match(l, netip.AddrPort{})
			found = found || ok
		}
		if found != (s.Action == "<+") {
			return fmt.Errorf("line %d, %s, does not hold for %.4000q", s.Line, s, lines)
		}
	}
	return nil
}

// farewell ends what the script has left open, in the one way that finds what
// it has left unheard: whatever comes too much stands in place of the 221.
func (st *stage) farewell() error {
	for actor, a := range st.among {
		return fmt.Errorf("line %d, %s%s, has no %s< after it", a[0].Line, actor, a[0].Action, actor)
	}
	for _, l := range []*leg{st.clientData, st.upData, st.stranger} {
		if err := l.finish(); err != nil {
			return err
		}
	}
	if err := st.quit(); err != nil {
		return err
	}
	for _, c := range []*control{st.client, st.upstream} {
		if c == nil || c.over {
			continue
		}
		if err := c.hearEnd(); err != nil {
			return fmt.Errorf("waiting for the end: %w", err)
		}
	}
	errs := []error{st.clientData.closeListener(), st.upData.closeListener()}
	if st.door != nil {
		errs = append(errs, nobodyWaits(st.door))
	}
	return errors.Join(errs...)
}

// quit says QUIT if the client is still there, and hears it answered.
func (st *stage) quit() error {
	if st.client == nil || st.client.over || st.client.ended {
		return nil
	}
	steps := []Step{{Actor: "C", Action: ">", Argument: "QUIT"}}
	if u := st.upstream; u != nil && !u.over && !u.ended {
		steps = append(
			steps,
			Step{Actor: "U", Action: "<", Argument: "QUIT"},
			Step{Actor: "U", Action: ">", Argument: "221 Goodbye."},
			Step{Actor: "U", Action: "ends"},
		)
	}
	steps = append(steps, Step{Actor: "C", Action: "<", Argument: "221 *"})
	for _, s := range steps {
		st.note("farewell  %s", s)
		if err := st.step(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// checkLog wants no password in the log, and what the steps of L say.
func (st *stage) checkLog() error {
	log := st.subject.Log()
	if err := checkAmong(st.logSteps(), bytes.Split([]byte(log), []byte("\n"))); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	for _, s := range st.script.Steps {
		verb, secret, _ := strings.Cut(s.Argument, " ")
		isSecret := strings.EqualFold(verb, "PASS") || strings.EqualFold(verb, "ACCT")
		if s.Actor == "C" && isSecret && len(secret) > 3 && strings.Contains(log, secret) {
			return fmt.Errorf("%s:%d: the log holds the argument of %s", s.File, s.Line, verb)
		}
	}
	return nil
}

func (st *stage) logSteps() []Step {
	var steps []Step
	for _, s := range st.script.Steps {
		if s.Actor == "L" {
			steps = append(steps, s)
		}
	}
	return steps
}

// release closes all sockets of the peers, whatever state they are in.
func (st *stage) release() {
	st.note("left unheard by the client: %.1000q", st.client.rest())
	st.note("left unheard by the upstream: %.1000q", st.upstream.rest())
	for _, c := range []*control{st.client, st.upstream} {
		if c != nil && !c.over {
			_ = c.reset()
		}
	}
	for _, l := range []*leg{st.clientData, st.upData, st.stranger} {
		l.release()
	}
}

// report is the transcript and the log, for people.
func (st *stage) report() string {
	return fmt.Sprintf("transcript of %s (%s):\n  %s\nlog:\n%s",
		st.script.Name, st.script.About, strings.Join(st.transcript, "\n  "), st.subject.Log())
}

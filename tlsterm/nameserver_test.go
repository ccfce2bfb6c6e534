package tlsterm

import (
	"cmp"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A nameServer knows every name as 127.0.0.1 and takes updates of the zone
// "test." that are signed with its key.
type nameServer struct {
	addr    string
	udp     string // the same over UDP, as a resolver
	keyName string
	key     string

	mu        sync.Mutex
	txt       map[string][]string
	updates   int
	folder    string // has a file for each record that a program has put there
	lookups   int
	servers   []string          // what it says about the zone's servers
	addresses map[string]string // those that are not 127.0.0.1
	onMiss    func()            // when it was asked for a record that it has not
	aliases   map[string]string // CNAME records
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	return newNameServerAt(t, "127.0.0.1:0")
}

func newNameServerAt(t *testing.T, address string) *nameServer {
	t.Helper()
	s := &nameServer{keyName: "acme-key.", key: "c2VjcmV0IG9mIHRoZSB0ZXN0", txt: map[string][]string{}}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.serve(t, &dns.Server{Listener: ln, TsigSecret: map[string]string{s.keyName: s.key}, MsgAcceptFunc: acceptUpdates})
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.udp = packets.LocalAddr().String()
	s.serve(t, &dns.Server{PacketConn: packets})
	return s
}

func (s *nameServer) serve(t *testing.T, server *dns.Server) {
	t.Helper()
	server.Handler = s
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	var running sync.WaitGroup
	running.Go(func() { _ = server.ActivateAndServe() })
	<-started
	t.Cleanup(func() {
		_ = server.Shutdown()
		running.Wait()
	})
}

// resolves has a solver of the test ask this server, and not those of the machine.
func (s *nameServer) resolves(t *testing.T, solver Solver, err error) Solver {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	solver.(*dnsSolver).aliases.resolvers = []string{s.udp}
	return solver
}

// acceptUpdates is the library's filter less its objection to updates.
func acceptUpdates(h dns.Header) dns.MsgAcceptAction {
	if opcode := int(h.Bits>>11) & 0xF; opcode == dns.OpcodeUpdate {
		return dns.MsgAccept
	}
	return dns.DefaultMsgAcceptFunc(h)
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(r)
	reply.Authoritative = true
	s.mu.Lock()
	if r.Opcode == dns.OpcodeUpdate {
		reply.Rcode = s.update(w, r)
	} else {
		s.lookUp(reply, r.Question[0])
	}
	s.mu.Unlock()
	if t := r.IsTsig(); t != nil && w.TsigStatus() == nil {
		reply.SetTsig(t.Hdr.Name, t.Algorithm, 300, int64(t.TimeSigned))
	}
	_ = w.WriteMsg(reply)
}

func (s *nameServer) lookUp(reply *dns.Msg, q dns.Question) {
	for hops := 0; hops < 20 && s.aliases[strings.ToLower(q.Name)] != ""; hops++ {
		target := s.aliases[strings.ToLower(q.Name)]
		reply.Answer = append(reply.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 1}, Target: target})
		if q.Qtype == dns.TypeCNAME {
			return
		}
		q.Name = target
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	switch q.Qtype {
	case dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.ParseIP(cmp.Or(s.addresses[q.Name], "127.0.0.1"))})
	case dns.TypeTXT:
		texts := s.txt[strings.ToLower(q.Name)]
		if text, err := os.ReadFile(filepath.Join(s.folder, strings.ToLower(q.Name))); err == nil && s.folder != "" {
			texts = append(slices.Clone(texts), strings.TrimSpace(string(text)))
		}
		for _, text := range texts {
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: header, Txt: []string{text}})
		}
		s.lookups++
		if len(reply.Answer) == 0 && s.onMiss != nil {
			s.onMiss()
		}
	case dns.TypeNS:
		for _, server := range s.servers {
			reply.Answer = append(reply.Answer, &dns.NS{Hdr: header, Ns: server})
		}
	}
}

func (s *nameServer) alias(aliases map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases = aliases
}

// texts returns the records.
func (s *nameServer) texts() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.txt)
}

// update is RFC 2136 §3.4 for TXT records.
func (s *nameServer) update(w dns.ResponseWriter, r *dns.Msg) int {
	switch {
	case r.IsTsig() == nil:
		return dns.RcodeRefused
	case w.TsigStatus() != nil:
		return dns.RcodeNotAuth
	case r.Question[0].Name != "test.":
		return dns.RcodeNotAuth
	}
	s.updates++
	for _, rr := range r.Ns {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			return dns.RcodeFormatError
		}
		name := strings.ToLower(txt.Hdr.Name)
		if txt.Hdr.Class == dns.ClassNONE {
			s.txt[name] = slices.DeleteFunc(s.txt[name], func(text string) bool { return text == txt.Txt[0] })
		} else {
			s.txt[name] = append(s.txt[name], txt.Txt[0])
		}
	}
	return dns.RcodeSuccess
}

// program returns a solver that has a shell put records into the server's folder.
func (s *nameServer) program(t *testing.T) Solver {
	t.Helper()
	s.mu.Lock()
	s.folder = t.TempDir()
	s.mu.Unlock()
	solver, err := ExecSolver([]string{"/bin/sh", "-ec", `
case $1 in
present) printf %s "$3" > "$0/$2" ;;
cleanup) rm "$0/$2" ;;
esac`, s.folder})
	return s.resolves(t, solver, err)
}

// webhook returns a solver whose web service puts records into the zone.
func (s *nameServer) webhook(t *testing.T) Solver {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var record struct{ FQDN, Value string }
		if err := json.NewDecoder(r.Body).Decode(&record); err != nil || r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/present" {
			s.txt[record.FQDN] = append(s.txt[record.FQDN], record.Value)
		} else {
			s.txt[record.FQDN] = slices.DeleteFunc(s.txt[record.FQDN], func(text string) bool { return text == record.Value })
		}
	}))
	t.Cleanup(service.Close)
	solver, err := Webhook{URL: service.URL, Token: NewSecret("token")}.Solver()
	return s.resolves(t, solver, err)
}

func (s *nameServer) count() (updates, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, texts := range s.txt {
		records += len(texts)
	}
	if entries, err := os.ReadDir(s.folder); s.folder != "" && err == nil {
		records += len(entries)
	}
	return s.updates, records
}

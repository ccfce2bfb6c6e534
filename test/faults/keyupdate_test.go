package faults

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	dialling "github.com/ftpsproxy/ftpsproxy/proxy/upstream"
)

// A rekeyer writes the records of a TLS 1.3 connection in crypto/tls's place, which
// reads on but cannot ask its peer for new keys (RFC 8446 §4.6.3).
type rekeyer struct {
	*tls.Conn
	t        testing.TB
	raw      net.Conn
	secret   []byte
	sequence uint64
}

// rekey makes the handshake of a connection on which nothing of ours is said yet,
// and takes its writing over. whose is CLIENT or SERVER.
func rekey(t testing.TB, raw net.Conn, config *tls.Config, whose string) *rekeyer {
	t.Helper()
	var secrets bytes.Buffer
	config = config.Clone()
	config.KeyLogWriter, config.MinVersion = &secrets, tls.VersionTLS13
	config.SessionTicketsDisabled = whose == "SERVER" // a ticket would be a record of ours
	conn := tls.Client(raw, config)
	if whose == "SERVER" {
		conn = tls.Server(raw, config)
	}
	if err := conn.Handshake(); err != nil {
		t.Error(err)
		return nil
	}
	if suite := conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Errorf("%s is chosen: this test knows AES-128 alone, which machines without AES instructions do not prefer", tls.CipherSuiteName(suite))
	}
	k := &rekeyer{Conn: conn, t: t, raw: raw}
	for line := range strings.Lines(secrets.String()) {
		if fields := strings.Fields(line); fields[0] == whose+"_TRAFFIC_SECRET_0" {
			k.secret, _ = hex.DecodeString(fields[2])
		}
	}
	return k
}

// expand is HKDF-Expand-Label without a context (RFC 8446 §7.1).
func (k *rekeyer) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := string(binary.BigEndian.AppendUint16(nil, uint16(n))) + string(rune(len(label))) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, k.secret, info, n)
	if err != nil {
		k.t.Error(err)
	}
	return out
}

// seal sends one record (RFC 8446 §5.2).
func (k *rekeyer) seal(kind byte, payload []byte) error {
	block, err := aes.NewCipher(k.expand("key", 16))
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	nonce := k.expand("iv", aead.NonceSize())
	count := binary.BigEndian.AppendUint64(make([]byte, 4), k.sequence)
	for i := range nonce {
		nonce[i] ^= count[i]
	}
	k.sequence++
	record := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(payload)+1+aead.Overhead()))
	_, err = k.raw.Write(aead.Seal(record, nonce, append(bytes.Clone(payload), kind), record))
	return err
}

func (k *rekeyer) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += 1 << 14 {
		if err := k.seal(23, p[n:min(n+1<<14, len(p))]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// update changes our key and asks the peer to change its own.
func (k *rekeyer) update() {
	k.t.Helper()
	if err := k.seal(22, []byte{24, 0, 0, 1, 1}); err != nil {
		k.t.Error(err)
	}
	k.secret, k.sequence = k.expand("traffic upd", len(k.secret)), 0
}

// CloseWrite says close_notify and FIN.
func (k *rekeyer) CloseWrite() error {
	if err := k.seal(21, []byte{1, 0}); err != nil {
		return err
	}
	return k.raw.(interface{ CloseWrite() error }).CloseWrite()
}

// replyTimeoutPasses returns when so much time has gone by; another session is the
// clock.
func (r *rig) replyTimeoutPasses() {
	r.t.Helper()
	over := make(chan struct{})
	defer close(over)
	r.upstream.on("SYST", func(v *visit, _ string) { v.await(over) })
	clock := r.session()
	clock.say("SYST")
	clock.hear(421)
}

// A peer that asks for new keys has them also when nothing has been said to it for
// longer than the time that a write may take.
func TestKeyUpdateAfterALongSilence(t *testing.T) {
	brief := func(s *settings) { s.limits.ReplyTimeout = soon }
	t.Run("client", func(t *testing.T) {
		r := newRig(t, brief)
		c := r.dial()
		c.do(234, "AUTH TLS")
		k := rekey(t, c.tcp, c.config, "CLIENT")
		c.use(k)
		c.protect()
		c.login()
		for range 3 {
			r.replyTimeoutPasses()
			k.update()
			c.inStep()
		}
		r.recoversAfter(c)
	})
	t.Run("upstream", func(t *testing.T) {
		r := newRig(t, brief, overTLS(t, dialling.TLSExplicit, tls.VersionTLS13))
		var w *wire
		var k *rekeyer
		r.upstream.on("AUTH", func(v *visit, _ string) {
			v.reply("234 go on")
			w = &wire{TCPConn: v.control}
			k = rekey(t, w, v.upstream.tls, "SERVER")
			v.mu.Lock()
			v.conn, v.reader = k, bufio.NewReader(k)
			v.mu.Unlock()
		})
		c := r.session()
		r.upstream.on("AUTH", func(v *visit, _ string) { v.auth() })
		for range 3 {
			r.replyTimeoutPasses()
			before := w.bytes.Load()
			k.update()
			eventually(t, func() bool { return w.bytes.Load() > before }) // its answer: else the client's command could be first
			c.inStep()
		}
		r.recoversAfter(c)
	})
}

// New keys in the middle of a file change nothing in it: the answer is one record
// among those of the file, or has the leg for itself.
func TestKeyUpdateDuringATransfer(t *testing.T) {
	for _, upload := range []bool{false, true} {
		t.Run(fmt.Sprintf("upload %v", upload), func(t *testing.T) {
			const pieces, piece = 40, 50_000
			r := newRig(t)
			file := bulk(pieces * piece)
			updated := make(chan struct{})
			r.upstream.on("RETR", func(v *visit, _ string) { v.sendsInTwo(file, updated) })
			c := r.session()
			l := c.open(c.epsv())
			c.say(map[bool]string{false: "RETR a", true: "STOR a"}[upload])
			c.hear(150)
			k := rekey(t, l.wire, c.config, "CLIENT")
			l.Conn = k
			for i := range pieces {
				if i%4 == 0 { // crypto/tls bears sixteen with no byte of a file between them
					k.update()
				}
				if i == pieces-4 {
					close(updated)
				}
				if part := file[i*piece : (i+1)*piece]; upload {
					l.send(part)
				} else {
					l.receive(part)
				}
			}
			if upload {
				if err := k.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if up := <-r.upstream.uploads; up.err != nil || !bytes.Equal(up.data, file) {
					t.Errorf("%d bytes arrived, %v", len(up.data), up.err)
				}
			} else {
				l.hearEnd()
			}
			c.hear(226)
			_ = l.tcp.Close()
			r.recoversAfter(c)
		})
	}
}

// A client that wants new keys when the file has been sent, but not yet read, still
// gets all of it.
func TestKeyUpdateBehindTheEnd(t *testing.T) {
	r := newRig(t)
	file := bulk(100_000)
	r.upstream.on("RETR", func(v *visit, _ string) {
		v.transfer(func(conn dataConn) error {
			_, err := conn.Write(file)
			return errors.Join(err, conn.CloseWrite())
		})
	})
	c := r.session()
	l := c.open(c.epsv())
	c.say("RETR a")
	c.hear(150)
	k := rekey(t, l.wire, c.config, "CLIENT")
	l.Conn = k
	c.hear(226)
	for range 5 {
		k.update()
		c.inStep() // time for the proxy to take it in
	}
	l.receive(file)
	l.hearEnd()
	_ = l.tcp.Close()
	r.recoversAfter(c)
}

// sendsInTwo sends a file, its last byte only when that has happened: the sockets may
// hold all of it, and once the proxy has said its close_notify it answers no update.
func (v *visit) sendsInTwo(file []byte, happened <-chan struct{}) {
	v.transfer(func(conn dataConn) error {
		last := len(file) - 1
		if _, err := conn.Write(file[:last]); err != nil {
			return err
		}
		v.await(happened)
		if _, err := conn.Write(file[last:]); err != nil {
			return err
		}
		return conn.CloseWrite()
	})
}

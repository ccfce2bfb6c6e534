package tlsterm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// selfSignedLife is how long a certificate is made for: the longest that
	// Apple's clients accept from anyone.
	selfSignedLife = 825 * 24 * time.Hour
	// selfSignedRest is what must be left of it for it to be used again.
	selfSignedRest = 30 * 24 * time.Hour
	// maxCommonName is X.520's bound (RFC 5280 appendix A.1).
	maxCommonName = 64
)

// SelfSigned returns a source that serves a self-signed certificate for names:
// host names and IP addresses. It is for trials; no client trusts it unasked.
//
// Certificate and key are kept in one file in dir, and used again by the next
// call with the same names, in whatever order, until the certificate's last
// thirty days. dir is made if need be. Of several processes that call it at
// once one makes the certificate and the others find it.
func SelfSigned(dir string, names []string) (Source, error) {
	s, err := SelfSignedUnkept(dir, names)
	if err != nil {
		return nil, err
	}
	if err := s.Keep(); err != nil {
		return nil, err
	}
	return s, nil
}

// SelfSignedUnkept is [SelfSigned] for those who do not know yet whether they need
// a certificate: the source has none, and nothing is made, until Keep is called.
func SelfSignedUnkept(dir string, names []string) (*SelfSignedSource, error) {
	names, err := canonicalNames(names)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return &SelfSignedSource{dir: dir, names: names}, nil
}

// A SelfSignedSource serves a certificate that it makes itself. It is a [Reloader]
// and a [Warner]: Reload makes another in the last thirty days.
type SelfSignedSource struct {
	dir   string
	names []string
	cert  atomic.Pointer[tls.Certificate]
}

// Keep finds the certificate in the folder, or makes it.
func (s *SelfSignedSource) Keep() error {
	cert, err := selfSignedIn(s.dir, s.names)
	if err != nil {
		return fmt.Errorf("self-signed certificate in %s: %w", s.dir, err)
	}
	s.cert.Store(cert)
	return nil
}

// Certificate implements [Source].
func (s *SelfSignedSource) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := s.cert.Load(); cert != nil {
		return cert, nil
	}
	return nil, ErrNoCertificate
}

// Reload implements [Reloader].
func (s *SelfSignedSource) Reload() (changed bool, err error) {
	cert := s.cert.Load()
	if cert == nil || time.Now().Add(selfSignedRest).Before(cert.Leaf.NotAfter) {
		return false, nil
	}
	if err := s.Keep(); err != nil {
		return false, err
	}
	return true, nil
}

// Warning implements [Warner].
func (s *SelfSignedSource) Warning(now time.Time) string {
	if cert := s.cert.Load(); cert != nil {
		return validityWarning("the self-signed certificate in "+s.dir, cert.Leaf, now)
	}
	return ""
}

// selfSignedIn finds the certificate for names in dir, or makes it.
func selfSignedIn(dir string, names []string) (*tls.Certificate, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(dir, "self-signed.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeUnfinishedIn(dir, time.Now()); err != nil {
		return nil, err
	}

	file := filepath.Join(dir, selfSignedName(names))
	data, err := os.ReadFile(file)
	if err == nil {
		if cert := usable(data, names); cert != nil {
			return cert, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if data, err = makeSelfSigned(names, time.Now()); err != nil {
		return nil, err
	}
	if err := writeAtomically(file, data); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(data, data)
	return &cert, err
}

// selfSignedName returns the file name for names, in whatever order.
func selfSignedName(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(names)), "\n")))
	return "self-signed-" + hex.EncodeToString(sum[:8]) + ".pem"
}

// usable returns the certificate in data, or nil when another has to be made:
// data is damaged, is for other names, or is soon to expire.
func usable(data []byte, names []string) *tls.Certificate {
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil
	}
	now := time.Now()
	if now.Before(cert.Leaf.NotBefore) || now.Add(selfSignedRest).After(cert.Leaf.NotAfter) {
		return nil
	}
	made := slices.Clone(cert.Leaf.DNSNames)
	for _, ip := range cert.Leaf.IPAddresses {
		made = append(made, ip.String())
	}
	if !slices.Equal(slices.Sorted(slices.Values(made)), slices.Sorted(slices.Values(names))) {
		return nil
	}
	return &cert
}

// makeSelfSigned returns a new certificate and its key, PEM.
func makeSelfSigned(names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		NotBefore:             now.Add(-time.Hour), // a client's clock may be behind
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(names[0]) <= maxCommonName {
		template.Subject.CommonName = names[0]
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return append(certPEM, keyPEM...), nil
}

// canonicalNames returns names in lower case and their usual spelling, each once.
func canonicalNames(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, errors.New("give at least one host name or IP address")
	}
	out := make([]string, 0, len(names))
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			name = ip.String()
		} else if name = strings.ToLower(name); !isHostName(name) {
			return nil, fmt.Errorf("%q is neither a host name nor an IP address", name)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// isHostName reports whether name, in lower case, can stand in a certificate:
// labels of letters, digits, hyphens and underscores, the first perhaps a star.
func isHostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for i, label := range strings.Split(name, ".") {
		if label == "*" && i == 0 && len(name) > 1 {
			continue
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, foreignToLabels) {
			return false
		}
	}
	return true
}

func foreignToLabels(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", r)
}

// lock waits until no other process holds name.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { _ = f.Close() }, nil // closing it lets go of the lock
}

// writeAtomically makes name hold data, for the owner's eyes only. Whoever
// opens it sees all of the old or all of the new.
func writeAtomically(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// FindSelfSigned returns the certificate that [SelfSigned] would serve without
// making one; nil when it would.
func FindSelfSigned(dir string, names []string) *tls.Certificate {
	names, err := canonicalNames(names)
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, selfSignedName(names)))
	if err != nil {
		return nil
	}
	return usable(data, names)
}

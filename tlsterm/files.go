package tlsterm

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Files returns a source that serves the certificate chain in certFile with the
// private key in keyFile, both PEM; the two may be the same file. Files that
// cannot be read, do not belong together, or hold a certificate that is expired
// or not yet valid are refused with one line that names the file.
//
// The source is a [Reloader]: Reload reads the files again. It is a [Warner], too:
// a certificate that expires while it is served stays until there is another.
func Files(certFile, keyFile string) (Source, error) {
	f := &files{certFile: certFile, keyFile: keyFile}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

type files struct {
	certFile, keyFile string
	pair              atomic.Pointer[pair]
	refused           atomic.Pointer[refusal] // the latest
}

// A pair is what the files held.
type pair struct {
	marks           marks
	certPEM, keyPEM []byte
	cert            *tls.Certificate
}

func (f *files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.pair.Load().cert, nil
}

// Reload reads the files again if they are not as they were. A pair that would
// be refused at the start is refused now, and the one in use stays.
func (f *files) Reload() (changed bool, err error) {
	old := f.pair.Load()
	now, err := marksOf(f.certFile, f.keyFile)
	switch {
	case err != nil || old == nil:
	case old.marks.same(now):
		return false, nil
	default:
		if err := f.refused.Load().stands(now); err != nil {
			return false, err
		}
	}
	changed, err = f.read(old, now)
	f.refused.Store(&refusal{now, err})
	return changed, err
}

// read takes the files that have the marks in place of the old.
func (f *files) read(old *pair, now marks) (changed bool, err error) {
	// Names that lead nowhere get their sentence from readFile.
	certPEM, err := readFile("certificate", f.certFile)
	keyPEM, keyErr := readFile("key", f.keyFile)
	if err != nil || keyErr != nil {
		return false, errors.Join(err, keyErr)
	}
	if old != nil && bytes.Equal(old.certPEM, certPEM) && bytes.Equal(old.keyPEM, keyPEM) {
		f.pair.Store(&pair{marks: now, certPEM: certPEM, keyPEM: keyPEM, cert: old.cert})
		return false, nil
	}
	cert, err := f.parse(certPEM, keyPEM)
	if err == nil {
		err = outOfDate("certificate "+f.certFile, cert.Leaf, time.Now())
	}
	if err != nil {
		return false, err
	}
	f.pair.Store(&pair{marks: now, certPEM: certPEM, keyPEM: keyPEM, cert: cert})
	return true, nil
}

// parse makes a certificate of the contents of the two files.
func (f *files) parse(certPEM, keyPEM []byte) (*tls.Certificate, error) {
	if err := wantBlock(certPEM, "CERTIFICATE"); err != nil {
		return nil, fmt.Errorf("certificate file %s: %w", f.certFile, err)
	}
	if err := wantBlock(keyPEM, "PRIVATE KEY"); err != nil {
		return nil, fmt.Errorf("key file %s: %w", f.keyFile, err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s cannot be used together: %w; "+
			"give the key that the first certificate in the file was issued for", f.certFile, f.keyFile, err)
	}
	return &cert, nil
}

// Warning implements [Warner].
func (f *files) Warning(now time.Time) string {
	return validityWarning("certificate "+f.certFile, f.pair.Load().cert.Leaf, now)
}

// maxFile bounds a file of certificates, keys or revocation lists; the lists of
// large authorities have some megabytes.
const maxFile = 64 << 20

func readFile(what, name string) ([]byte, error) {
	data, err := readRegular(name)
	if err == nil {
		return data, nil
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // the name is in the sentence already
	}
	return nil, fmt.Errorf("cannot read %s file %s: %w; it must be a PEM file that this user may read", what, name, err)
}

// readRegular refuses what has no end, such as a device, or may never say
// anything, such as a pipe: files are looked at again while the program runs, and
// nothing else happens meanwhile.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() { // reading a folder fails by itself
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return data, err
}

// wantBlock checks that data has a PEM block of a type that ends with suffix:
// keys come as "PRIVATE KEY", "EC PRIVATE KEY" and "RSA PRIVATE KEY".
func wantBlock(data []byte, suffix string) error {
	var seen []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return errors.New("the private key is encrypted: give it without a passphrase")
		}
		if strings.HasSuffix(block.Type, suffix) {
			return nil
		}
		seen = append(seen, block.Type)
	}
	return lacksBlock(seen, suffix)
}

// lacksBlock is the error for PEM data in which only blocks of the types seen
// were found.
func lacksBlock(seen []string, suffix string) error {
	if len(seen) == 0 {
		return fmt.Errorf("holds no PEM block: give a PEM file with a %s block", suffix)
	}
	return fmt.Errorf("holds only %s: give a PEM file with a %s block", strings.Join(seen, ", "), suffix)
}

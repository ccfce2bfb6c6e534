package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// Jlaffaye drives the Go library github.com/jlaffaye/ftp.
type Jlaffaye struct{}

// NewJlaffaye returns it.
func NewJlaffaye() Jlaffaye { return Jlaffaye{} }

// Name is the client's name.
func (Jlaffaye) Name() string { return "jlaffaye" }

// Version is empty: nothing depends on it.
func (Jlaffaye) Version() string { return "" }

// Run does the steps.
func (c Jlaffaye) Run(ctx context.Context, target Target, steps []Step) (string, error) {
	return c.within(ctx, target, func(conn *ftp.ServerConn) error {
		for _, s := range steps {
			if err := s.failed(c.step(conn, s)); err != nil {
				return err
			}
		}
		return nil
	})
}

// UploadFrom uploads what the reader yields.
func (c Jlaffaye) UploadFrom(ctx context.Context, target Target, remote string, from io.Reader) error {
	_, err := c.within(ctx, target, func(conn *ftp.ServerConn) error { return conn.Stor(remote, from) })
	return err
}

// DownloadTo writes the file to the writer.
func (c Jlaffaye) DownloadTo(ctx context.Context, target Target, remote string, to io.Writer) error {
	_, err := c.within(ctx, target, func(conn *ftp.ServerConn) error { return retrieve(conn, remote, 0, to) })
	return err
}

// within logs in, calls do, and quits. It returns the conversation, which is also
// part of the error.
func (c Jlaffaye) within(ctx context.Context, target Target, do func(*ftp.ServerConn) error) (string, error) {
	var said strings.Builder
	conn, err := c.dial(ctx, target, &said)
	if err == nil {
		if err = conn.Login(target.User, target.Password); err == nil {
			err = do(conn)
		}
		err = errors.Join(err, conn.Quit())
	}
	if err != nil {
		err = fmt.Errorf("jlaffaye: %w\n%s", err, said.String())
	}
	return said.String(), err
}

func (c Jlaffaye) dial(ctx context.Context, target Target, said io.Writer) (*ftp.ServerConn, error) {
	options := []ftp.DialOption{ftp.DialWithContext(ctx), ftp.DialWithTimeout(time.Minute), ftp.DialWithDebugOutput(said)}
	if target.TLS == Plain {
		return ftp.Dial(target.hostPort(), options...)
	}
	config, err := config(target)
	if err != nil {
		return nil, err
	}
	how := ftp.DialWithExplicitTLS(config)
	if target.TLS == Implicit {
		how = ftp.DialWithTLS(config)
	}
	return ftp.Dial(target.hostPort(), append(options, how)...)
}

// config trusts the target's certificate alone, and keeps TLS sessions so that
// data connections can resume them.
func config(target Target) (*tls.Config, error) {
	pem, err := os.ReadFile(target.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", target.CA)
	}
	return &tls.Config{
		RootCAs:            roots,
		ServerName:         target.host(),
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
		MinVersion:         target.Version,
		MaxVersion:         target.Version,
	}, nil
}

func (c Jlaffaye) step(conn *ftp.ServerConn, s Step) error {
	switch s.Op {
	case List, NameList:
		return c.list(conn, s)
	case Upload, Append, ResumeUpload:
		return c.upload(conn, s)
	case Download, ResumeDownload, Refused:
		return c.download(conn, s)
	case Abort:
		return c.abort(conn, s)
	case Rename:
		return conn.Rename(s.Remote, s.To)
	case Delete:
		return conn.Delete(s.Remote)
	case Mkdir:
		return conn.MakeDir(s.Remote)
	case Rmdir:
		return conn.RemoveDir(s.Remote)
	case MachineList:
	}
	return errors.New("not possible")
}

func (c Jlaffaye) list(conn *ftp.ServerConn, s Step) error {
	var names []string
	if s.Op == NameList {
		listed, err := conn.NameList(s.Remote)
		if err != nil {
			return err
		}
		names = listed
	} else {
		entries, err := conn.List(s.Remote)
		if err != nil {
			return err
		}
		for _, e := range entries {
			names = append(names, e.Name)
		}
	}
	return os.WriteFile(s.Local, []byte(strings.Join(names, "\n")+"\n"), 0o600)
}

func (c Jlaffaye) upload(conn *ftp.ServerConn, s Step) error {
	file, err := os.Open(s.Local)
	if err != nil {
		return err
	}
	defer file.Close()
	switch s.Op {
	case Append:
		return conn.Append(s.Remote, file)
	case ResumeUpload:
		if _, err := file.Seek(s.Offset, io.SeekStart); err != nil {
			return err
		}
		return conn.StorFrom(s.Remote, file, uint64(s.Offset))
	default:
		return conn.Stor(s.Remote, file)
	}
}

func (c Jlaffaye) download(conn *ftp.ServerConn, s Step) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if s.Op == ResumeDownload {
		how = os.O_WRONLY | os.O_APPEND
	}
	file, err := os.OpenFile(s.Local, how, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(retrieve(conn, s.Remote, s.Offset, file), file.Close())
}

// abort closes the data connection early, which is how this library gives a
// download up. The reply may be of either kind.
func (c Jlaffaye) abort(conn *ftp.ServerConn, s Step) error {
	r, err := conn.Retr(s.Remote)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(r, make([]byte, firstBytes)); err != nil {
		return err
	}
	var reply *textproto.Error
	if err := r.Close(); err != nil && !errors.As(err, &reply) {
		return err
	}
	return nil
}

// retrieve takes the reply at the end for part of the download: without it the
// file may be short.
func retrieve(conn *ftp.ServerConn, remote string, offset int64, to io.Writer) error {
	r, err := conn.RetrFrom(remote, uint64(offset))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	return errors.Join(err, r.Close())
}

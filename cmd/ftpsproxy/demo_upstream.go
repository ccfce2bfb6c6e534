package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"goftp.io/server/v2"
)

// startDemoUpstream serves a folder by plain FTP on a loopback port of the
// kernel's choice. The listener is the caller's to close; the server ends with
// it.
func startDemoUpstream(folder, password string) (net.Listener, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the folder to serve cannot be opened: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		Driver:         folderDriver{root: root},
		Auth:           &server.SimpleAuth{Name: demoUser, Password: password},
		Perm:           server.NewSimplePerm("demo", "demo"),
		WelcomeMessage: "demo",
		// Its log would hold file names and, at the wrong moment, more.
		Logger: &server.DiscardLogger{},
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go serveDemoUpstream(s, l)
	return l, nil
}

// serveDemoUpstream ends with an error when the listener is closed, and only
// then.
func serveDemoUpstream(s *server.Server, l net.Listener) { _ = s.Serve(l) }

// folderDriver serves a folder and nothing outside it, symbolic links included.
// The library's own driver follows links out of the folder, removes folders
// with all they hold, replaces a file on APPE and appends on REST with STOR.
type folderDriver struct{ root *os.Root }

var _ server.Driver = folderDriver{}

// local turns the library's rooted path into one that os.Root takes.
func local(path string) string {
	if p := strings.Trim(path, "/"); p != "" {
		return p
	}
	return "."
}

// entry tells times in UTC, as MDTM and MLSD must (RFC 3659 §2.3); the library
// prints whatever zone it is given.
type entry struct{ fs.FileInfo }

func (e entry) ModTime() time.Time { return e.FileInfo.ModTime().UTC() }

func (d folderDriver) Stat(_ *server.Context, path string) (fs.FileInfo, error) {
	info, err := d.root.Stat(local(path))
	if err != nil {
		return nil, err
	}
	return entry{info}, nil
}

func (d folderDriver) ListDir(_ *server.Context, path string, each func(fs.FileInfo) error) error {
	dir, err := d.root.Open(local(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	infos, err := dir.Readdir(-1)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if err := each(entry{info}); err != nil {
			return err
		}
	}
	return nil
}

func (d folderDriver) DeleteDir(_ *server.Context, path string) error {
	info, err := d.root.Lstat(local(path))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("not a folder")
	}
	return d.root.Remove(local(path))
}

func (d folderDriver) DeleteFile(_ *server.Context, path string) error {
	info, err := d.root.Lstat(local(path))
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("not a file")
	}
	return d.root.Remove(local(path))
}

func (d folderDriver) Rename(_ *server.Context, from, to string) error {
	return d.root.Rename(local(from), local(to))
}

func (d folderDriver) MakeDir(_ *server.Context, path string) error {
	return d.root.Mkdir(local(path), 0o755)
}

func (d folderDriver) GetFile(_ *server.Context, path string, offset int64) (int64, io.ReadCloser, error) {
	f, err := d.root.Open(local(path))
	if err != nil {
		return 0, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return 0, nil, err
	}
	return info.Size() - offset, f, nil
}

// PutFile stores what the data connection brings: from the start (offset -1),
// from an offset (REST), or at the end (APPE). The library leaves the data
// connection open; it is closed here, as RFC 959 §3.3 has it.
func (d folderDriver) PutFile(ctx *server.Context, path string, data io.Reader, offset int64) (int64, error) {
	if c, ok := data.(io.Closer); ok {
		defer c.Close()
	}
	flags := os.O_WRONLY | os.O_CREATE
	switch {
	case ctx.Cmd == "APPE":
		flags |= os.O_APPEND
	case offset < 0:
		flags |= os.O_TRUNC
	}
	f, err := d.root.OpenFile(local(path), flags, 0o644)
	if err != nil {
		return 0, err
	}
	n, err := store(f, data, offset, ctx.Cmd == "APPE")
	return n, errors.Join(err, f.Close())
}

func store(f *os.File, data io.Reader, offset int64, appending bool) (int64, error) {
	if offset > 0 && !appending {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return io.Copy(f, data)
}

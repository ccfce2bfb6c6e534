package ftpparse_test

import (
	"io"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// looped is a stream that says the same thing n times, whole each time.
type looped struct {
	bytes string
	at, n int
}

func (l *looped) Read(p []byte) (int, error) {
	if l.n == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.bytes[l.at:])
	if l.at += n; l.at == len(l.bytes) {
		l.at = 0
		l.n--
	}
	return n, nil
}

func BenchmarkParseCommand(b *testing.B) {
	for _, line := range []string{"NOOP", "RETR some/folder/file.txt", "CWD gr\xff\xffn"} {
		b.Run(line, func(b *testing.B) {
			b.ReportAllocs()
			given := []byte(line)
			for b.Loop() {
				if _, err := ftpparse.ParseCommand(given); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCommandReader(b *testing.B) {
	for name, line := range map[string]string{
		"NOOP":             "NOOP\r\n",
		"RETR":             "RETR some/folder/file.txt\r\n",
		"ABOR with Telnet": "\xff\xf4\xff\xf2ABOR\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			r := ftpparse.NewCommandReader(&looped{bytes: line, n: -1}, limit)
			for b.Loop() {
				if _, err := r.Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReplyReader(b *testing.B) {
	for name, reply := range map[string]string{
		"226":  "226 Transfer complete.\r\n",
		"FEAT": "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(reply)))
			r := ftpparse.NewReplyReader(&looped{bytes: reply, n: -1}, lineLimit, totalLimit)
			for b.Loop() {
				if _, err := r.Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendTo(b *testing.B) {
	c := ftpparse.Command{Verb: "RETR", Argument: "some/folder/file.txt", Space: true}
	r := ftpparse.NewMultiline(211, "Features:", []string{"SIZE", "MDTM"}, "End")
	wire := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		wire = r.AppendTo(c.AppendTo(wire[:0]))
	}
}

func BenchmarkParse227(b *testing.B) {
	r := ftpparse.NewReply(227, "Entering Passive Mode (127,0,0,1,141,33).")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ftpparse.Parse227(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ftpparse.Lookup("xsha512"); !ok {
			b.Fatal("not found")
		}
	}
}

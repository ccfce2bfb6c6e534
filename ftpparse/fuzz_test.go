package ftpparse_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// seed calls add with every command and every reply of the recorded sessions.
func seed(f *testing.F, add func(e exchange)) {
	f.Helper()
	for _, session := range recorded(f) {
		for _, e := range session {
			add(e)
		}
	}
}

// A command that was accepted is printed as one line that reads back the same;
// one that was refused names a fault of the line.
func FuzzCommand(f *testing.F) {
	seed(f, func(e exchange) { f.Add([]byte(strings.TrimSuffix(e.command, "\r\n"))) })
	for _, line := range []string{
		"\xff\xf4\xff\xf2ABOR", "CWD \xff\xff", "CWD a\r\nDELE b", "\xff\xfaA\r\n\xff\xf0X y",
		"PASS ", " x", "SITE PSWD a b", "RETR \x00",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := ftpparse.ParseCommand(line)
		if err != nil {
			if !ftpparse.Recoverable(err) || c != (ftpparse.Command{}) {
				t.Fatalf("%q: %#v, %v", line, c, err)
			}
			return
		}
		if err := c.Valid(); err != nil {
			t.Fatalf("%q was accepted as %#v: %v", line, c, err)
		}
		wire := c.AppendTo(nil)
		if bytes.IndexByte(wire, '\n') != len(wire)-1 || bytes.IndexByte(wire, '\r') != len(wire)-2 || bytes.IndexByte(wire, 0) >= 0 {
			t.Fatalf("%q is printed as %q", line, wire)
		}
		again, err := ftpparse.ParseCommand(wire[:len(wire)-2])
		if err != nil || again != c {
			t.Fatalf("%q is printed as %q, read back as %#v, %v", line, wire, again, err)
		}
		read, err := ftpparse.NewCommandReader(bytes.NewReader(wire), len(wire)).Read()
		if err != nil || read != c {
			t.Fatalf("%q is printed as %q, heard as %#v, %v", line, wire, read, err)
		}
		verb, known := ftpparse.Lookup(c.Verb)
		if shown := c.String(); c.Argument != "" && (verb.Secret || !known) && shown != c.Verb+" ****" {
			t.Fatalf("%q shows a secret: %s", line, shown)
		}
	})
}

// A stream is heard the same however it is cut, in bounded memory, and what was
// accepted of it is printed as a stream that is heard the same.
func FuzzCommandReader(f *testing.F) {
	for _, session := range recorded(f) {
		var all strings.Builder
		for _, e := range session {
			all.WriteString(e.command)
		}
		f.Add([]byte(all.String()), uint8(255))
		f.Add([]byte(all.String()), uint8(12))
	}
	for _, stream := range []string{
		"\xff\xf4\xff\xf2ABOR\r\n", "NO\xff\xfa\n\xff\xff\xff\xf0OP\nNOOP\n", "CWD a\rDELE b\r\n", "\xff\n\xff\xfb\n\n",
		"CWD \xff\xff\xff\xff\r\xff\xf1\n", "x", "\r\n\n\r\r\n", "\xff\xfa\xff\n",
	} {
		f.Add([]byte(stream), uint8(10))
	}
	f.Fuzz(func(t *testing.T, stream []byte, lineLimit uint8) {
		limit := int(lineLimit)
		want := heard(ftpparse.NewCommandReader(bytes.NewReader(stream), limit))
		check := func(how string, r io.Reader) {
			if got := heard(ftpparse.NewCommandReader(r, limit)); !slices.Equal(got, want) {
				t.Fatalf("%q %s\nheard %q\nwhole %q", stream, how, got, want)
			}
		}
		check("in single bytes", iotest.OneByteReader(bytes.NewReader(stream)))
		for i := range min(len(stream), 200) {
			check("cut in two", io.MultiReader(bytes.NewReader(stream[:i]), bytes.NewReader(stream[i:])))
		}

		var commands []string
		for _, line := range want {
			if !strings.HasPrefix(line, "! ") {
				commands = append(commands, line)
			}
		}
		printed := strings.Join(append(commands, ""), "\r\n")
		got := heard(ftpparse.NewCommandReader(strings.NewReader(printed), 2*limit+2))
		if !slices.Equal(got, append(commands, fault(io.EOF))) {
			t.Fatalf("%q is printed as %q, heard as %q", stream, printed, got)
		}
	})
}

// replies reads r to its end.
func replies(r *ftpparse.ReplyReader) (all []ftpparse.Reply, err error) {
	for {
		reply, err := r.Read()
		if err != nil {
			return all, err
		}
		all = append(all, reply)
	}
}

// A stream is read the same however it is cut; the replies are printed as they
// were received but for LF and a bare code, and read back the same.
func FuzzReplyReader(f *testing.F) {
	for _, session := range recorded(f) {
		var all strings.Builder
		for _, e := range session {
			all.WriteString(e.reply)
		}
		f.Add([]byte(all.String()))
	}
	seed(f, func(e exchange) { f.Add([]byte(e.reply)) })
	for _, stream := range []string{"220\n", "220-\n220\n220 \n", "220-a\r\r\n\n 220 b\n220 \x00\r\n", "720 x\n", "22"} {
		f.Add([]byte(stream))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const lineLimit, totalLimit = 200, 2000
		all, err := replies(ftpparse.NewReplyReader(bytes.NewReader(stream), lineLimit, totalLimit))
		check := func(how string, r io.Reader) {
			again, errAgain := replies(ftpparse.NewReplyReader(r, lineLimit, totalLimit))
			if !reflect.DeepEqual(again, all) || errAgain.Error() != err.Error() {
				t.Fatalf("%q %s\nreads %v, %v\nwhole %v, %v", stream, how, again, errAgain, all, err)
			}
		}
		check("in single bytes", iotest.OneByteReader(bytes.NewReader(stream)))
		for i := range min(len(stream), 100) {
			check("cut in two", io.MultiReader(bytes.NewReader(stream[:i]), bytes.NewReader(stream[i:])))
		}

		var wire []byte
		for _, r := range all {
			wire = r.AppendTo(wire)
			if c := r.Class(); c < ftpparse.Preliminary || c > ftpparse.Protected {
				t.Fatalf("%q: class %d", stream, c)
			}
		}
		back, errBack := replies(ftpparse.NewReplyReader(bytes.NewReader(wire), lineLimit+1, 2*totalLimit))
		if !errors.Is(errBack, io.EOF) || errors.Is(errBack, io.ErrUnexpectedEOF) || !reflect.DeepEqual(back, all) {
			t.Fatalf("%q is printed as %q, read back as %v, %v", stream, wire, back, errBack)
		}
		lossless(t, stream, all)
	})
}

// lossless checks that the lines of all are the first lines of stream.
func lossless(t *testing.T, stream []byte, all []ftpparse.Reply) {
	t.Helper()
	lines := strings.Split(string(stream), "\n")
	for _, r := range all {
		for i, got := range r.Lines {
			want := strings.TrimSuffix(lines[0], "\r")
			if lines = lines[1:]; i == 0 && len(want) == 3 {
				want += " "
			}
			if got != want {
				t.Fatalf("%q: line %q, want %q", stream, got, want)
			}
		}
	}
}

// Whatever we say ourselves is one reply to whoever reads it.
func FuzzNewReply(f *testing.F) {
	seed(f, func(e exchange) { f.Add(211, e.reply, e.command) })
	f.Add(550, "a\r\n230 in", "\x00\r")
	f.Fuzz(func(t *testing.T, code int, text, more string) {
		if code < 100 || code > 699 {
			return
		}
		for _, r := range []ftpparse.Reply{
			ftpparse.NewReply(code, text),
			ftpparse.NewMultiline(code, text, []string{more, text}, more),
			ftpparse.NewMultiline(code, more, strings.Split(text, "\n"), text),
		} {
			all, err := replies(ftpparse.NewReplyReader(bytes.NewReader(r.AppendTo(nil)), lineLimit, totalLimit))
			if errors.Is(err, ftpparse.ErrReplyTooLong) {
				continue
			}
			if len(all) != 1 || !all[0].Equal(r) {
				t.Fatalf("%q is read back as %v, %v", r.Lines, all, err)
			}
		}
	})
}

// A host-port that was accepted is printed as one that is read the same.
func FuzzHostPort(f *testing.F) {
	seed(f, func(e exchange) {
		_, argument, _ := strings.Cut(strings.TrimSuffix(e.command, "\r\n"), " ")
		f.Add(argument)
	})
	for _, argument := range []string{"|2|2001:db8::1|2021|", "|2|::ffff:1.2.3.4|1|", "!1!10.0.0.1!65535!", "255,255,255,255,255,255", "all"} {
		f.Add(argument)
	}
	f.Fuzz(func(t *testing.T, argument string) {
		if addr, err := ftpparse.ParsePORT(argument); err == nil {
			c := ftpparse.FormatPORT(addr)
			if again, err := ftpparse.ParsePORT(c.Argument); err != nil || again != addr || c.Verb != "PORT" || c.Valid() != nil {
				t.Fatalf("PORT %q is %v, printed as %q, read back as %v, %v", argument, addr, c.Argument, again, err)
			}
		} else if !errors.Is(err, ftpparse.ErrSyntax) {
			t.Fatalf("PORT %q: %v", argument, err)
		}
		if addr, err := ftpparse.ParseEPRT(argument); err == nil {
			c := ftpparse.FormatEPRT(addr)
			if again, err := ftpparse.ParseEPRT(c.Argument); err != nil || again != addr || c.Verb != "EPRT" || c.Valid() != nil {
				t.Fatalf("EPRT %q is %v, printed as %q, read back as %v, %v", argument, addr, c.Argument, again, err)
			}
		} else if !errors.Is(err, ftpparse.ErrSyntax) && !errors.Is(err, ftpparse.ErrFamily) {
			t.Fatalf("EPRT %q: %v", argument, err)
		}
	})
}

// An address found in a 227 is printed as a 227 in which it is found.
func Fuzz227(f *testing.F) {
	seed(f, func(e exchange) { f.Add(strings.TrimPrefix(e.reply, "227 ")) })
	f.Add("1,2,3 (10, 20,30,40,5,\t6)")
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := ftpparse.Parse227(ftpparse.NewReply(227, text))
		if err != nil {
			return
		}
		r := ftpparse.Format227(addr)
		if again, err := ftpparse.Parse227(r); err != nil || again != addr || addr.Port() == 0 || !addr.Addr().Is4() {
			t.Fatalf("%q is %v, printed as %q, read back as %v, %v", text, addr, r.Lines, again, err)
		}
	})
}

// A port found in a 229 is printed as a 229 in which it is found.
func Fuzz229(f *testing.F) {
	seed(f, func(e exchange) { f.Add(strings.TrimPrefix(e.reply, "229 ")) })
	f.Add("((((2021()) (|1|::1|2021|).")
	f.Fuzz(func(t *testing.T, text string) {
		port, err := ftpparse.Parse229(ftpparse.NewReply(229, text))
		if err != nil {
			return
		}
		r := ftpparse.Format229(port)
		if again, err := ftpparse.Parse229(r); err != nil || again != port || port == 0 {
			t.Fatalf("%q is %d, printed as %q, read back as %d, %v", text, port, r.Lines, again, err)
		}
	})
}

// A list of features is printed as a reply that is read as the same reply and
// as the same list.
func FuzzFEAT(f *testing.F) {
	seed(f, func(e exchange) { f.Add(e.reply) })
	f.Add("\tSIZE\n211-MDTM\n 211-X\n\n \x00\nUTF8 \n")
	f.Fuzz(func(t *testing.T, inner string) {
		lines := slices.Concat([]string{"211-a"}, strings.Split(inner, "\n"), []string{"211 b"})
		features, err := ftpparse.ParseFEAT(ftpparse.Reply{Code: 211, Lines: lines})
		if err != nil {
			t.Fatalf("%q: %v", inner, err)
		}
		r := ftpparse.FormatFEAT(features)
		read, err := ftpparse.NewReplyReader(bytes.NewReader(r.AppendTo(nil)), 2*len(inner)+100, 20*len(inner)+100).Read()
		if err != nil || !read.Equal(r) {
			t.Fatalf("%q is printed as %q, read back as %q, %v", inner, r.Lines, read.Lines, err)
		}
		again, err := ftpparse.ParseFEAT(read)
		if err != nil || !slices.Equal(again, features) {
			t.Fatalf("%q is %q, printed as %q, read back as %q, %v", inner, features, r.Lines, again, err)
		}
		for _, feature := range features {
			if name := feature.Name(); name == "" || strings.ContainsAny(name, " \t") {
				t.Fatalf("%q: feature %q has the name %q", inner, feature.Line, name)
			}
		}
	})
}

package proxy

import (
	"io"
	"slices"
	"time"
)

// What an upstream may do in a transfer.
const (
	moveWell       = iota
	moveRefused    // 5yz in place of the 1yz
	moveUnopened   // 1yz, and no data connection
	moveBreaks     // it breaks off, and says so
	moveLies       // it breaks off, and says 226
	moveUnheralded // without a 1yz
	moveEmpty      // 226 without a 1yz and without a data connection
	moveEarly      // 226 before the first byte
	moveTwice      // two 1yz
	moveStalls     // no byte, until it is broken off
	moveLate       // 226 when another command has come, or after a while
	moveMumbles    // a second 1yz in place of the final reply, when it broke
	moveKinds
)

// send answers RETR.
func (v *fuzzVisit) send(number int, tag string) {
	size := fuzzSizes()[v.upstream.pick(len(fuzzSizes()))]
	kind := v.upstream.pick(moveKinds + 4)
	v.move(kind, tag, func(conn *fuzzData) bool {
		data := contents(number+1000, size)
		switch kind {
		case moveBreaks, moveLies:
			_, _ = conn.Write(data[:size/2])
			reset(conn.tcp)
			return false
		case moveStalls:
			_, _ = conn.Read(make([]byte, 1))
			return false
		}
		_, err := conn.Write(data)
		v.upstream.record(number, carried{data: data, clean: err == nil})
		_ = conn.Close()
		return err == nil
	})
	if kind == moveEmpty {
		v.upstream.record(number, carried{clean: true})
	}
}

// store answers STOR.
func (v *fuzzVisit) store(number int, tag string) {
	kind := v.upstream.pick(moveKinds + 4)
	v.move(kind, tag, func(conn *fuzzData) bool {
		switch kind {
		case moveBreaks, moveLies:
			_, _ = io.ReadFull(conn, make([]byte, 10))
			reset(conn.tcp)
			v.upstream.record(number, carried{upload: true, lies: true})
			return false
		}
		data, err := io.ReadAll(conn)
		clean := err == nil && conn.whole()
		v.upstream.record(number, carried{upload: true, data: data, clean: clean})
		_ = conn.Close()
		return clean
	})
	if kind == moveEmpty {
		v.upstream.record(number, carried{upload: true, lies: true})
	}
}

// move says what belongs around a transfer, in the order that its kind wants.
func (v *fuzzVisit) move(kind int, tag string, carry func(*fuzzData) bool) {
	v.moving.Wait() // one after the other
	switch kind {
	case moveRefused:
		v.drop()
		v.reply("550" + tag)
		return
	case moveEmpty:
		v.drop()
		v.reply("226" + tag)
		return
	case moveUnopened:
		v.drop()
		v.reply("150" + tag)
		v.reply("425" + tag)
		return
	case moveTwice:
		v.reply("150" + tag)
	}
	if kind != moveUnheralded {
		v.reply("150" + tag)
	}
	if kind == moveEarly || kind == moveUnheralded {
		v.begin(false)
		conn := v.open() // before the next PASV
		if conn == nil {
			v.reply("425" + tag)
			return
		}
		v.reply("226" + tag)
		v.moving.Go(func() {
			carry(conn)
			_ = conn.Close()
		})
		return
	}
	v.begin(true)
	v.moving.Go(func() {
		code := "425"
		if conn := v.open(); conn != nil {
			code = "426"
			switch {
			case carry(conn), kind == moveLies:
				code = "226"
			case kind == moveMumbles:
				_ = conn.Close()
				v.mumble(tag)
				return
			}
			_ = conn.Close()
		}
		v.end(code, tag, kind == moveLate)
	})
}

func (v *fuzzVisit) begin(running bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running, v.aborted, v.data = running, false, nil
}

// end says a transfer's final reply: the one that ABOR has chosen, if it came.
func (v *fuzzVisit) end(code, tag string, hold bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running = false; v.aborted {
		code = v.afterABOR
	}
	v.out.WriteString(code + tag + "\r\n")
	if hold {
		time.AfterFunc(20*time.Millisecond, v.flush)
	} else {
		_, _ = v.out.WriteTo(v.conn)
	}
}

// What upstreams answer to the transfer that ABOR ends, and to ABOR itself. With
// one reply for both it is the transfer's.
func abortions() [][2]string {
	return [][2]string{{"426", "226 ABOR"}, {"226", "226 ABOR"}, {"226", ""}, {"225", ""}, {"426", "225 ABOR"}}
}

func (v *fuzzVisit) abort() {
	kind := v.upstream.pick(6)
	if kind == 5 {
		v.moving.Wait() // read only after the file
	}
	v.mu.Lock()
	if !v.running {
		v.mu.Unlock()
		v.reply("225 ABOR: nothing to abort")
		return
	}
	choice := abortions()[kind]
	v.aborted, v.afterABOR, v.silent = true, choice[0], choice[1] == ""
	if v.data != nil {
		reset(v.data)
	}
	v.mu.Unlock()
	v.moving.Wait()
	if choice[1] != "" {
		v.reply(choice[1])
	}
}

// wantFile compares what both sides know of a file that was reported complete.
func wantFile(client, upstream *carried) string {
	switch {
	case client == nil || upstream == nil:
		return "was reported complete and never moved"
	case upstream.lies, !client.upload && !client.clean: // the client did not wait for the end
		return ""
	case !client.clean, !upstream.clean:
		return "was reported complete and broke"
	case !slices.Equal(client.data, upstream.data):
		return "was reported complete and differs"
	}
	return ""
}

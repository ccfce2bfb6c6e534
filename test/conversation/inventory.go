package conversation

import (
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/goleak"
)

// An inventory is what the process holds at one moment: goroutines and
// descriptors.
type inventory struct {
	goroutines  goleak.Option
	descriptors map[string]bool
}

func takeInventory() inventory {
	return inventory{goroutines: goleak.IgnoreCurrent(), descriptors: descriptors()}
}

// check wants nothing to exist that was not in the inventory. What still goes has
// until patience ends: a leak stays.
func (i inventory) check(when string, patience time.Duration) error {
	err := i.compare(when)
	for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); err = i.compare(when) {
		<-time.After(10 * time.Millisecond)
	}
	return err
}

// compare looks for goroutines, for which goleak itself waits a little between its
// looks, and then for descriptors.
func (i inventory) compare(when string) error {
	if err := goleak.Find(i.goroutines); err != nil {
		return fmt.Errorf("goroutines are left %s: %w", when, err)
	}
	var left []string
	for d := range descriptors() {
		if !i.descriptors[d] {
			left = append(left, describe(d))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("descriptors are left %s: %s", when, strings.Join(left, "; "))
	}
	return nil
}

// descriptors lists the open descriptors by what they refer to. Pipes are not
// among them: the runtime keeps those of splice(2) for later use.
func descriptors() map[string]bool {
	const dir = "/proc/self/fd/"
	open := map[string]bool{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		panic(err) // without /proc the check would pass unchecked
	}
	for _, e := range entries {
		target, err := os.Readlink(dir + e.Name())
		if err != nil || strings.HasPrefix(target, "pipe:") || strings.HasPrefix(target, "/proc/") {
			continue
		}
		open[target] = true
	}
	return open
}

// isHere tells whether the local port belongs to a socket of this process, be it
// listening or connected.
func isHere(port uint16) bool {
	here := fmt.Sprintf(":%04X", port)
	open := descriptors()
	for _, f := range sockets() {
		if strings.HasSuffix(f[1], here) && open["socket:["+f[9]+"]"] {
			return true
		}
	}
	return false
}

// describe adds the addresses of a socket, as /proc/net shows them.
func describe(target string) string {
	inode := strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")
	for _, f := range sockets() {
		if f[9] == inode {
			return fmt.Sprintf("%s (%s to %s, state %s)", target, f[1], f[2], f[3])
		}
	}
	return target
}

// sockets are the fields of the kernel's table of TCP sockets: 1 is the local
// address, 2 the remote one, 3 the state, 9 the inode.
func sockets() [][]string {
	var all [][]string
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 {
				all = append(all, f)
			}
		}
	}
	return all
}

package benchmarks

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	largeSize     = 256 << 20
	smallSize     = 4 << 10
	filesPerRound = 200
	logins        = 16 // at once
	idlers        = 200
	roundTrips    = 500
)

// A tally sums up what each proxy has used.
type tally map[string]time.Duration

// measure adds what the proxy uses for the work.
func (y tally) measure(b *testing.B, s *subject, work func() error) {
	b.Helper()
	before := s.used(b)
	if err := work(); err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	y[s.name] += s.used(b) - before
}

// report gives each proxy's figure, and the ratio of the two.
func report(b *testing.B, all []*subject, figure map[string]float64, unit string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // wall time of both proxies, client and server together: no figure
	for _, s := range all {
		b.ReportMetric(figure[s.name], s.name+"-"+unit)
	}
	b.ReportMetric(figure[all[0].name]/figure[all[1].name], "ratio")
}

// per divides what was used by so many units.
func (y tally) per(unit time.Duration, count float64) map[string]float64 {
	figure := map[string]float64{}
	for name, used := range y {
		figure[name] = float64(used) / float64(unit) / count
	}
	return figure
}

// inSession measures work in one session with each proxy.
func inSession(b *testing.B, all []*subject, work func(*client) error) tally {
	b.Helper()
	used, clients := tally{}, map[string]*client{}
	for _, s := range all {
		c, err := login(s)
		if err != nil {
			b.Fatalf("%s: %v", s.name, err)
		}
		defer c.conn.Close()
		clients[s.name] = c
	}
	for b.Loop() {
		for _, s := range all {
			used.measure(b, s, func() error { return work(clients[s.name]) })
		}
	}
	return used
}

func BenchmarkDownload(b *testing.B) {
	all, server := subjects(b)
	server.Put(b, "large", "")
	if err := os.Truncate(server.Path("large"), largeSize); err != nil {
		b.Fatal(err)
	}
	used := inSession(b, all, func(c *client) error { return c.retrieve("large", largeSize) })
	report(b, all, used.per(time.Second, float64(b.N)*largeSize/(1<<30)), "CPU-s/GiB")
}

func BenchmarkUpload(b *testing.B) {
	all, _ := subjects(b)
	used := inSession(b, all, func(c *client) error { return c.store("large", largeSize) })
	report(b, all, used.per(time.Second, float64(b.N)*largeSize/(1<<30)), "CPU-s/GiB")
}

// BenchmarkSmallDownloads is dominated by the handshake of each data connection.
func BenchmarkSmallDownloads(b *testing.B) {
	smallFiles(b, func(c *client) error { return c.retrieve("small", smallSize) })
}

func BenchmarkSmallUploads(b *testing.B) {
	smallFiles(b, func(c *client) error { return c.store("small", smallSize) })
}

func smallFiles(b *testing.B, transfer func(*client) error) {
	b.Helper()
	all, server := subjects(b)
	server.Put(b, "small", strings.Repeat(".", smallSize))
	used := inSession(b, all, func(c *client) error {
		for range filesPerRound {
			if err := transfer(c); err != nil {
				return err
			}
		}
		return nil
	})
	report(b, all, used.per(time.Millisecond, float64(b.N)*filesPerRound), "CPU-ms/file")
}

func BenchmarkLogins(b *testing.B) {
	all, _ := subjects(b)
	used := tally{}
	for b.Loop() {
		for _, s := range all {
			used.measure(b, s, func() error { return together(logins, func() error { return visit(s) }) })
		}
	}
	report(b, all, used.per(time.Millisecond, float64(b.N)*logins), "CPU-ms/login")
}

// together does the work so many times at once, and returns an error of one.
func together(times int, work func() error) error {
	errs := make(chan error, times)
	var all sync.WaitGroup
	for range times {
		all.Go(func() { errs <- work() })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// visit logs in and leaves. mod_proxy lets some of the sessions fall that come at the
// same moment; their clients come again, and what that costs counts.
func visit(s *subject) error {
	c, err := login(s)
	for again := 0; err != nil && s.drops && again < 20; again++ {
		c, err = login(s)
	}
	if err != nil {
		return err
	}
	return c.quit()
}

// BenchmarkIdleSessions has the memory that a logged-in session holds.
func BenchmarkIdleSessions(b *testing.B) {
	all, _ := subjects(b)
	figure := map[string]float64{}
	for b.Loop() {
		for _, s := range all {
			before := s.memory(b)
			clients := make([]*client, 0, idlers)
			for range idlers {
				c, err := login(s)
				if err != nil {
					b.Fatalf("%s: %v", s.name, err)
				}
				clients = append(clients, c)
			}
			// Later rounds find memory that the first has left.
			figure[s.name] = max(figure[s.name], float64(s.memory(b)-before)/idlers/1024)
			for _, c := range clients {
				if err := c.quit(); err != nil {
					b.Fatalf("%s: %v", s.name, err)
				}
			}
		}
	}
	report(b, all, figure, "KiB/session")
}

// BenchmarkRoundTrip is the one figure in wall time: the median of PWD.
func BenchmarkRoundTrip(b *testing.B) {
	all, _ := subjects(b)
	took := map[string][]time.Duration{}
	clients := map[string]*client{}
	for _, s := range all {
		c, err := login(s)
		if err != nil {
			b.Fatalf("%s: %v", s.name, err)
		}
		defer c.conn.Close()
		clients[s.name] = c
	}
	for b.Loop() {
		for range roundTrips {
			for _, s := range all {
				start := time.Now()
				if _, err := clients[s.name].command(257, "PWD"); err != nil {
					b.Fatalf("%s: %v", s.name, err)
				}
				took[s.name] = append(took[s.name], time.Since(start))
			}
		}
	}
	figure := map[string]float64{}
	for name, times := range took {
		slices.Sort(times)
		figure[name] = times[len(times)/2].Seconds() * 1000
	}
	report(b, all, figure, "ms/PWD")
}

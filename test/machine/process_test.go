package machine_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/test/machine"
)

// asVictim makes the test binary play a test process that is killed.
const asVictim = "MACHINE_TEST_VICTIM"

// TestNothingOutlivesAKilledTest starts a test process that starts a program and
// waits for it, and kills that test process.
func TestNothingOutlivesAKilledTest(t *testing.T) {
	if os.Getenv(asVictim) != "" {
		p := machine.Start(t, "tail", exec.Command("tail", "-f", "/dev/null"))
		fmt.Printf("pid %d\n", p.PID())
		<-p.Exited()
		return
	}
	victim := exec.Command(os.Args[0], "-test.run", "^TestNothingOutlivesAKilledTest$")
	victim.Env = append(os.Environ(), asVictim+"=yes")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "pid %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-pid, syscall.SIGKILL) })
	if !running(pid) {
		t.Fatal("the program does not run")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it says that the process was killed
	err = machine.Eventually(func() error {
		if running(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// running says whether the process is there and not merely unreaped.
func running(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

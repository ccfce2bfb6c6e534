package main

import (
	"errors"
	"fmt"
	"os"
	_ "time/tzdata" // policies name time zones, and small machines have none

	"github.com/spf13/cobra"

	"github.com/ftpsproxy/ftpsproxy/configs"
)

// errPrinted ends the program with status 1; the reason is on standard error
// already.
var errPrinted = errors.New("see above")

func main() {
	err := rootCommand().Execute()
	if err == nil {
		return
	}
	if !errors.Is(err, errPrinted) {
		fmt.Fprintf(os.Stderr, "ftpsproxy: %v\n", err)
	}
	os.Exit(1)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ftpsproxy",
		Short: "A transparent FTPS proxy: TLS towards clients, FTP or FTPS towards servers",
		// An error is one sentence; a page of usage would bury it.
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), demoCommand(), checkCommand(), policyCommand(), certificatesCommand(), versionCommand())
	return root
}

// printDiagnostics shows mistakes and warnings on standard error, in colour on
// a terminal (unless NO_COLOR is set, see no-color.org).
func printDiagnostics(d configs.Diagnostics) {
	info, err := os.Stderr.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	// Nothing can be done about a standard error that cannot be written.
	_ = d.Print(os.Stderr, terminal && os.Getenv("NO_COLOR") == "")
}

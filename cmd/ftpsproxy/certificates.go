package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/ftpsproxy/ftpsproxy/configs"
	"github.com/ftpsproxy/ftpsproxy/tlsterm"
)

func certificatesCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "certificates --config FILE",
		Short: "Show where the certificates of a configuration stand",
		Long: `Certificates lists every certificate of a configuration: its names, where it
comes from, when it expires, who issued it, and when it is going to be renewed. It
reads files and the storage, asks nobody and changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listCertificates(c.Context(), path) },
	}
	c.PersistentFlags().StringVarP(&path, "config", "c", "", "configuration `FILE`, or folder of *.hcl files")
	// The flag was defined one line above.
	_ = c.MarkPersistentFlagRequired("config")
	_ = c.MarkPersistentFlagFilename("config", "hcl")
	c.AddCommand(&cobra.Command{
		Use:   "obtain NAME",
		Short: "Order a certificate from its authority now, and show the steps",
		Long: `Obtain orders the certificate for NAME now, whether or not there is one: a host
name, or the name of a certificate block for all names in it. It is kept in the
storage, where a running proxy finds it within a minute. Run it as the user that
the proxy runs as. A proxy that runs answers the challenge, if it shares the
storage and has the address.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return obtain(c.Context(), path, args[0]) },
	})
	return c
}

func listCertificates(ctx context.Context, path string) error {
	settings, err := loadFile(path)
	if err != nil {
		return err
	}
	states, diags := settings.CertificateStates(ctx)
	printDiagnostics(diags)
	if err := writeStates(os.Stdout, states); err != nil {
		return err
	}
	if diags.HasErrors() {
		return errPrinted
	}
	return nil
}

func writeStates(w io.Writer, states []configs.CertificateState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CERTIFICATE\tNAMES\tSOURCE\tEXPIRES\tISSUER\tRENEWAL") // Flush has the error
	for _, s := range states {
		issuer := s.Issuer
		if s.Note != "" {
			issuer = strings.TrimPrefix(issuer+"; "+s.Note, "; ")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Block, dash(printable(strings.Join(s.Names, ", "))), printable(s.Source), day(s.Expires), printable(issuer), day(s.Renewal))
	}
	return table.Flush()
}

// printable keeps what stands in a certificate from breaking the table, or from
// being obeyed by a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04Z")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func obtain(ctx context.Context, path, wanted string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, built, err := build(func() (*configs.Settings, error) { return loadFile(path) }, configs.Environment{Observe: printStep})
	if err != nil {
		return err
	}
	found, known := configs.Orders(built.ACME, wanted)
	switch {
	case len(known) == 0:
		return errors.New("no certificate of this configuration comes from an authority")
	case len(found) == 0:
		return fmt.Errorf("%q is neither a certificate block with acme nor a name in one; known are %s", wanted, strings.Join(known, ", "))
	}
	for _, o := range found {
		if err := o.ACME.Obtain(ctx, o.Name); err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
	}
	return nil
}

func printStep(_ string, e tlsterm.ACMEEvent) {
	// Nothing can be done about a standard output that cannot be written.
	_, _ = fmt.Printf("%s: %s\n", e.Name, e.Text)
}

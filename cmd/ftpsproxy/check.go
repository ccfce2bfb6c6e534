package main

import (
	"os"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Say what is wrong with a configuration, or what would run",
		Long: `Check reads a configuration file, or a folder of *.hcl files, and opens the
certificates that it names. Mistakes are printed with their place and what would
be right, and the exit status is 1; otherwise a summary of what would run is
printed. Nothing is started, and nothing is written.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return check(path) },
	}
	configFlag(c, &path)
	// The flag was defined one line above.
	_ = c.MarkFlagRequired("config")
	return c
}

func check(path string) error {
	settings, err := loadFile(path)
	if err != nil {
		return err
	}
	diags := settings.Check()
	printDiagnostics(diags)
	if diags.HasErrors() {
		return errPrinted
	}
	return settings.Summary(os.Stdout)
}

func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", "", "configuration `FILE`, or folder of *.hcl files")
	// The flag was defined one line above.
	_ = c.MarkFlagFilename("config", "hcl")
}

package faults

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// policed has a policy with this inside.
func policed(t testing.TB, inside string) func(*settings) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte("policy \"p\" {\n"+inside+"\n}\n"), "policy.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, diags := policy.Compile(content.Blocks[0], nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return func(s *settings) { s.listener.Policy = p }
}

// atMost100KiB aborts what is larger, and allows what the rig does afterwards.
const atMost100KiB = `
	default = "allow"
	limit "size" { transfer_size = "100KiB" }
`

// Invariant 2: an upload that the policy aborts is no clean end to the upstream,
// however little of it has been passed on, and the client hears 552 though the
// upstream calls it complete.
func TestInvariant2UploadAbortedByThePolicy(t *testing.T) {
	for _, private := range []bool{false, true} {
		for _, clear := range []bool{false, true} {
			name := map[bool]string{false: "private", true: "clear"}[clear] + map[bool]string{false: " to a clear upstream", true: " to a private upstream"}[private]
			t.Run(name, func(t *testing.T) {
				r := newRig(t, allowClear, policed(t, atMost100KiB), func(s *settings) {
					if private {
						explicitly(t, versions()[1])(s)
					}
				})
				r.upstream.on("STOR", func(v *visit, name string) {
					v.reply("150 go on")
					v.transfers.Go(func() {
						tcp, err := v.open()
						if err != nil {
							return
						}
						conn := v.secured(tcp)
						_ = v.receive(name, conn)
						_ = conn.Close()
						v.reply("226 stored")
					})
				})
				c := r.open(clear)
				l := c.transfer("STOR a")
				_, _ = l.Write(bulk(200 << 10)) // broken off in the middle, perhaps
				up := <-r.upstream.uploads
				wantReset(t, up.err)
				if len(up.data) > 100<<10 {
					t.Errorf("%d bytes have passed", len(up.data))
				}
				c.hear(552)
				r.recoversAfter(c)
			})
		}
	}
}

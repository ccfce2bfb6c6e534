package configs

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logging is an open log. Its Logger stays valid while Apply changes what is
// behind it.
type Logging struct {
	Logger *zap.Logger

	level  zap.AtomicLevel
	output *logOutput
	format LogFormat
}

// Open opens the log's output. The error names the file that cannot be
// written. Close is the caller's.
func (l Log) Open() (*Logging, error) {
	output := &logOutput{}
	if err := output.open(l.Output); err != nil {
		return nil, err
	}
	level := zap.NewAtomicLevelAt(l.Level)
	core := zapcore.NewCore(l.encoder(), output, level)
	return &Logging{
		Logger: zap.New(core, zap.ErrorOutput(zapcore.Lock(os.Stderr))),
		level:  level,
		output: output,
		format: l.Format,
	}, nil
}

// Apply takes over new settings and reopens a log file, so that whoever
// rotates it may move the old one away first. On error the old output goes on.
// The format is fixed when the log is opened; Apply says if it would change.
func (l *Logging) Apply(settings Log) error {
	if err := l.output.open(settings.Output); err != nil {
		return err
	}
	l.level.SetLevel(settings.Level)
	if settings.Format != l.format {
		return errors.New("the log format changes at the next start only")
	}
	return nil
}

// Close closes a log file; the standard streams stay open.
func (l *Logging) Close() error { return l.output.close() }

func (l Log) encoder() zapcore.Encoder {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	if l.Format == LogConsole {
		c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		c.EncodeLevel = zapcore.CapitalLevelEncoder
		return zapcore.NewConsoleEncoder(c)
	}
	return zapcore.NewJSONEncoder(c)
}

// logOutput is a zapcore.WriteSyncer whose file can be exchanged under a
// running logger.
type logOutput struct {
	mu   sync.Mutex
	file *os.File
}

// open exchanges the output; on error the present one stays.
func (o *logOutput) open(name string) error {
	next, err := openOutput(name)
	if err != nil {
		return fmt.Errorf("the log cannot be written: %w", err)
	}
	o.mu.Lock()
	last := o.file
	o.file = next
	o.mu.Unlock()
	return closeOutput(last)
}

func (o *logOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.file.Write(p)
}

// Sync does nothing: every line is written at once, and a terminal or a pipe
// refuses fsync.
func (o *logOutput) Sync() error { return nil }

func (o *logOutput) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return closeOutput(o.file)
}

func openOutput(name string) (*os.File, error) {
	switch name {
	case "stderr":
		return os.Stderr, nil
	case "stdout":
		return os.Stdout, nil
	}
	// 0640: a log names users and files; the group may be let in to read it.
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

func closeOutput(f *os.File) error {
	if f == nil || f == os.Stderr || f == os.Stdout {
		return nil
	}
	return f.Close()
}

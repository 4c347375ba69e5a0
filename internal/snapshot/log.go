package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// The log is
//
//	magic, u64 id of its snapshot, the machine's start (16 bytes), u64 sum of all that
//	records: u64 tag, u64 version, u64 sum
//
// A record's sum is xxHash64 of its number and itself. Records are in the system's memory once written: they
// outlive the process, and are as good as lost once the machine was started anew.
const (
	logMagic   = "\x89FOLIOL\x01"
	logHead    = len(logMagic) + 8 + BootBytes + 8
	recordSize = 24
	BootBytes  = 16
	flushTag   = ^uint64(0) // stands for everything, as its version does
)

// Log is what was bumped since a snapshot. Not for concurrent use.
type Log struct {
	file    *os.File
	name    string
	records uint64
	buffer  []byte
	synced  bool // every record is, as the machine's starts cannot be told apart
}

// NewLog begins the log of a snapshot that is about to be written, or that there is: next says which.
func NewLog(dir string, id uint64, next bool) (*Log, error) {
	name := filepath.Join(dir, logFile)
	if next {
		name += nextSuffix
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	boot, known := BootID()
	l := &Log{file: f, name: name, synced: !known}
	head := binary.LittleEndian.AppendUint64([]byte(logMagic), id)
	head = append(head, boot[:]...)
	head = binary.LittleEndian.AppendUint64(head, xxhash.Sum64(head))
	if _, err = f.Write(head); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// Bump adds the new versions of some tags. They are on record when it returns without an error.
func (l *Log) Bump(tags, versions []uint64) error {
	l.buffer = l.buffer[:0]
	for i, tag := range tags {
		l.buffer = appendRecord(l.buffer, l.records, tag, versions[i])
		l.records++
	}
	_, err := l.file.Write(l.buffer)
	if err == nil && l.synced {
		err = l.file.Sync()
	}
	return err
}

// Flush adds that everything is outdated.
func (l *Log) Flush() error { return l.Bump([]uint64{flushTag}, []uint64{flushTag}) }

// Bytes returns the size of the log's records.
func (l *Log) Bytes() int64 { return int64(l.records) * recordSize }

func appendRecord(dst []byte, number, tag, version uint64) []byte {
	from := len(dst)
	dst = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, tag), version)
	return binary.LittleEndian.AppendUint64(dst, recordSum(number, dst[from:]))
}

func recordSum(number uint64, record []byte) uint64 {
	d := xxhash.NewWithSeed(number)
	_, _ = d.Write(record) // a hash returns no error
	return d.Sum64()
}

// Reopen goes on with the log of a snapshot whose logs were read.
func (s *Snapshot) Reopen(dir string) (*Log, error) {
	if s.logAt != "" { // the other name is for the new one: until it is whole, there is this
		if err := errors.Join(os.Rename(s.logAt, filepath.Join(dir, logFile)), syncDir(dir)); err != nil {
			return nil, err
		}
	}
	l, err := NewLog(dir, s.ID, true)
	if err != nil {
		return nil, err
	}
	var tags, versions []uint64
	for tag := range s.logged {
		tags, versions = append(tags, tag), append(versions, s.Versions[tag])
	}
	if err = l.Bump(tags, versions); err == nil {
		err = l.Adopt(dir)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Adopt makes the log of the next snapshot the log: that snapshot is in its place.
func (l *Log) Adopt(dir string) error {
	name := filepath.Join(dir, logFile)
	if err := os.Rename(l.name, name); err != nil {
		return err
	}
	l.name = name
	return syncDir(dir)
}

// Close closes the log; the file stays.
func (l *Log) Close() error { return l.file.Close() }

// Remove closes the log and removes it.
func (l *Log) Remove() error { return errors.Join(l.file.Close(), os.Remove(l.name)) }

// ReadLogs adds to a snapshot's versions what was bumped since, by its log, whichever of the two names that
// has. flushed: everything is outdated. An error says that the log cannot be relied on; there is none for a clean
// snapshot without a log.
func (s *Snapshot) ReadLogs(dir string) (flushed bool, err error) {
	for _, name := range [...]string{logFile, logFile + nextSuffix} {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		id, flushed, err := s.readLog(f)
		if err = errors.Join(err, f.Close()); id == s.ID || err != nil {
			s.logAt = f.Name()
			if err != nil {
				err = fmt.Errorf("%s: %w", f.Name(), err)
			}
			return flushed, err
		}
	}
	if !s.Clean {
		return false, fmt.Errorf("%w: the snapshot's log is gone", ErrCorrupt)
	}
	return false, nil
}

// readLog reads a log; of another snapshot's, the id only.
func (s *Snapshot) readLog(in io.Reader) (id uint64, flushed bool, err error) {
	r := &reader{in: newBuffered(in)}
	head := make([]byte, logHead)
	if err := r.full(head); err != nil {
		return 0, false, err
	}
	if string(head[:len(logMagic)]) != logMagic || xxhash.Sum64(head[:logHead-8]) != binary.LittleEndian.Uint64(head[logHead-8:]) {
		return 0, false, r.corrupt("it does not begin as a log of this version does")
	}
	if id = binary.LittleEndian.Uint64(head[len(logMagic):]); id != s.ID {
		return id, false, nil
	}
	if boot, known := BootID(); known && string(boot[:]) != string(head[len(logMagic)+8:logHead-8]) {
		return id, false, fmt.Errorf("%w: the machine was started anew since, and the end of the log may be lost", ErrCorrupt)
	}
	record := make([]byte, recordSize)
	for number := uint64(0); ; number++ {
		n, err := io.ReadFull(r.in, record)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return id, flushed, nil // what is cut was not acknowledged
		}
		if err != nil {
			return id, flushed, err
		}
		if r.at += int64(n); recordSum(number, record[:16]) != binary.LittleEndian.Uint64(record[16:]) {
			return id, flushed, r.corrupt("a record's checksum does not hold")
		}
		tag, version := binary.LittleEndian.Uint64(record), binary.LittleEndian.Uint64(record[8:])
		if tag == flushTag && version == flushTag {
			flushed = true
		}
		s.Versions[tag] = max(s.Versions[tag], version)
		s.logged[tag] = true
	}
}

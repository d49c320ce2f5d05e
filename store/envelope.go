package store

import (
	"encoding/binary"
	"hash/crc64"
)

// envelopeSize is the length of the checksum in front of each value.
const envelopeSize = 8

// wrap puts payload into an envelope for its place and returns the checksum
// too.
func wrap(bucket string, key, payload []byte) (value []byte, sum uint64) {
	sum = checksum(bucket, key, payload)
	value = make([]byte, 0, envelopeSize+len(payload))
	return append(binary.BigEndian.AppendUint64(value, sum), payload...), sum
}

// unwrap returns the payload of an envelope, which shares the envelope's
// memory, and the checksum that the envelope carries; ok is false when the
// value is not what was stored at this place.
func unwrap(bucket string, key, value []byte) (payload []byte, sum uint64, ok bool) {
	if len(value) < envelopeSize {
		return nil, 0, false
	}
	sum = binary.BigEndian.Uint64(value)
	payload = value[envelopeSize:]
	return payload, sum, sum == checksum(bucket, key, payload)
}

// checksum is CRC-64 over the place and the payload. The place is in it so
// that a value that turns up elsewhere is caught; lengths are, so that no two
// places look alike. CRC-64 finds every damage of up to 64 adjacent bits, and
// any other but for one in 2^64, at memory speed on machines that have no
// instructions for hashing. It is never 0, which stands for "none" in a tally.
func checksum(bucket string, key, payload []byte) uint64 {
	table := crc64.MakeTable(crc64.ECMA)
	place := make([]byte, 0, 128)
	place = binary.AppendUvarint(place, uint64(len(bucket)))
	place = append(place, bucket...)
	place = binary.AppendUvarint(place, uint64(len(key)))
	place = append(place, key...)
	return max(1, crc64.Update(crc64.Update(0, table, place), table, payload))
}

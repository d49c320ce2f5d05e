package modgen

// expr writes code that leaves one value of a type.
func (b *body) expr(t byte, depth int) {
	b.budget--
	if depth <= 0 || b.budget <= 0 {
		b.leaf(t)
		return
	}
	depth--
	switch k := b.IntN(100); {
	case k < 20:
		b.leaf(t)
	case k < 26:
		i := b.find(t, true)
		if i < 0 {
			i = b.local(t)
		}
		b.expr(t, depth)
		b.bytes(0x22)
		b.u(i)
	case k < 32:
		b.callFor(t, depth)
	case k < 40:
		if len(b.frames) >= maxFrames {
			b.leaf(t)
			return
		}
		s := signature{nil, []byte{t}}
		if b.one(4) {
			s.params = b.valueTypes(2)
		}
		b.all(s.params, depth)
		b.block(s, depth)
	case k < 44:
		b.expr(t, depth)
		b.expr(t, depth)
		b.expr(i32, depth)
		if t == v128 || t == funcRef || t == externRef || b.one(2) {
			b.bytes(0x1c, 1, t)
		} else {
			b.bytes(0x1b)
		}
	case k < 46:
		b.branchWith(t, depth)
	case k < 47:
		b.diverge(depth)
	default:
		b.operation(t, depth)
	}
}

// leaf writes a value without operands.
func (b *body) leaf(t byte) {
	switch b.IntN(4) {
	case 0, 1:
		if i := b.find(t, false); i >= 0 {
			b.bytes(0x20)
			b.u(i)
			return
		}
	case 2:
		for i := len(b.globals) - 1; i > 0; i-- {
			if b.globals[i].t == t {
				b.bytes(0x23)
				b.u(i)
				return
			}
		}
	}
	b.constant(&b.writer, t)
}

// branchWith writes a br_if that carries one value, which stays if it does not branch.
func (b *body) branchWith(t byte, depth int) {
	for range 4 {
		d := b.IntN(len(b.frames))
		f := b.frames[len(b.frames)-1-d]
		if !f.closed && len(f.label) == 1 && f.label[0] == t {
			b.expr(t, depth)
			b.expr(i32, depth)
			b.bytes(0x0d)
			b.u(d)
			return
		}
	}
	b.leaf(t)
}

// shown writes a value whose bits the guest may look at: it is no NaN but one.
func (b *body) shown(t byte, depth int) {
	b.expr(t, depth)
	var local *int
	var equal byte
	switch t {
	case f32:
		local, equal = &b.f32, 0x5b
	case f64:
		local, equal = &b.f64, 0x61
	default:
		return
	}
	if *local < 0 {
		*local = b.local(t)
		b.reserved[*local] = true
	}
	b.bytes(0x22)
	b.u(*local)
	if t == f32 {
		b.bytes(0x43, 0, 0, 0xc0, 0x7f)
	} else {
		b.bytes(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	}
	for range 2 {
		b.bytes(0x20)
		b.u(*local)
	}
	b.bytes(equal, 0x1b)
}

// operation writes an operation with operands.
func (b *body) operation(t byte, depth int) {
	switch t {
	case i32:
		b.operationI32(depth)
	case i64:
		b.operationI64(depth)
	case f32, f64:
		b.operationFloat(t, depth)
	case v128:
		b.operationVector(depth)
	default:
		b.operationRef(t, depth)
	}
}

func (b *body) operationI32(depth int) {
	switch k := b.IntN(20); {
	case k < 6:
		b.binary(i32, 0x6a, depth) // add to rotr
	case k < 9:
		b.compare(depth)
	case k == 9:
		b.expr(i32, depth)
		b.bytes([]byte{0x45, 0x67, 0x68, 0x69, 0xc0, 0xc1}[b.IntN(6)])
	case k == 10:
		b.expr(i64, depth)
		b.bytes([]byte{0x50, 0xa7}[b.IntN(2)]) // eqz, wrap
	case k == 11:
		b.truncate(i32, depth)
	case k == 12:
		b.shown(f32, depth)
		b.bytes(0xbc) // reinterpret
	case k < 16:
		b.load([]byte{0x28, 0x2c, 0x2d, 0x2e, 0x2f}[b.IntN(5)], i32, depth)
	case k == 16:
		b.expr([]byte{funcRef, externRef}[b.IntN(2)], depth)
		b.bytes(0xd1)
	case k == 17:
		b.sizes()
	case k == 18:
		b.expr(v128, depth)
		lane := byte(b.IntN(4))
		b.bytes([][]byte{{0xfd, 0x53}, {0xfd, 0x64}, {0xfd, 0x1b, lane}, {0xfd, 0x15, lane}, {0xfd, 0x63}}[b.IntN(5)]...)
	default:
		b.grow(depth)
	}
}

func (b *body) operationI64(depth int) {
	switch k := b.IntN(12); {
	case k < 6:
		b.binary(i64, 0x7c, depth)
	case k == 6:
		b.expr(i64, depth)
		b.bytes([]byte{0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4}[b.IntN(6)])
	case k == 7:
		b.expr(i32, depth)
		b.bytes([]byte{0xac, 0xad}[b.IntN(2)]) // extend
	case k == 8:
		b.truncate(i64, depth)
	case k == 9:
		b.shown(f64, depth)
		b.bytes(0xbd)
	case k == 10 && b.one(3):
		b.expr(v128, depth)
		b.bytes(0xfd, 0x1d, byte(b.IntN(2)))
	default:
		b.load([]byte{0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35}[b.IntN(7)], i64, depth)
	}
}

// binary writes two operands and one of 15 operations, the first of which is given. A divisor is seldom 0.
func (b *body) binary(t, first byte, depth int) {
	op := byte(b.IntN(15))
	b.expr(t, depth)
	b.expr(t, depth)
	if op >= 3 && op <= 6 && !b.one(12) {
		if t == i32 {
			b.bytes(0x41, 1, 0x72) // or 1
		} else {
			b.bytes(0x42, 1, 0x84)
		}
	}
	b.bytes(first + op)
}

func (b *body) compare(depth int) {
	k := b.IntN(4)
	t := []byte{i32, i64, f32, f64}[k]
	b.expr(t, depth)
	b.expr(t, depth)
	b.bytes([]byte{0x46, 0x51, 0x5b, 0x61}[k] + byte(b.IntN([]int{10, 10, 6, 6}[k])))
}

// truncate writes a conversion from a float, one that traps now and then.
func (b *body) truncate(t byte, depth int) {
	k := b.IntN(4)
	b.expr([]byte{f32, f64}[k/2], depth)
	saturating, trapping := byte(0), byte(0xa8)
	if t == i64 {
		saturating, trapping = 4, 0xae
	}
	if b.one(6) {
		b.bytes(trapping + byte(k))
	} else {
		b.bytes(0xfc, saturating+byte(k))
	}
}

func (b *body) operationFloat(t byte, depth int) {
	unary, binary, convert := byte(0x8b), byte(0x92), byte(0xb2)
	if t == f64 {
		unary, binary, convert = 0x99, 0xa0, 0xb7
	}
	switch k := b.IntN(12); {
	case k < 5:
		op := byte(b.IntN(7))
		b.expr(t, depth)
		if op == 6 { // copysign looks at the sign of a NaN
			b.shown(t, depth)
		} else {
			b.expr(t, depth)
		}
		b.bytes(binary + op)
	case k < 7:
		b.expr(t, depth)
		b.bytes(unary + byte(b.IntN(7)))
	case k < 9:
		from := b.IntN(5)
		b.expr([]byte{i32, i32, i64, i64, f32 ^ f64 ^ t}[from], depth)
		b.bytes(convert + byte(from))
	case k == 9:
		b.expr([]byte{i64, i32}[t&1], depth)
		b.bytes(0xbf - t&1)
	default:
		b.load([]byte{0x2b, 0x2a}[t&1], t, depth)
	}
}

// operationVector knows integers only, since lanes show the bits of floats.
func (b *body) operationVector(depth int) {
	switch k := b.IntN(8); {
	case k < 3:
		b.expr(v128, depth)
		b.expr(v128, depth)
		op := []byte{0x4e, 0x4f, 0x50, 0x51, 0x6e, 0x71, 0x0e, 0x8e, 0x95, 0xae, 0xb5, 0xce, 0xd5, 0x23, 0x37}[b.IntN(15)]
		b.bytes(0xfd, op)
		if op >= 0x80 {
			b.bytes(1)
		}
	case k == 3:
		wide := b.IntN(2)
		b.expr([]byte{i32, i64}[wide], depth)
		b.bytes(0xfd, 0x11+byte(wide)) // splat
	case k == 4:
		b.expr(v128, depth)
		b.expr(v128, depth)
		b.bytes(0xfd, 0x0d)
		for range 16 {
			b.bytes(byte(b.IntN(32)))
		}
	case k == 5:
		b.expr(v128, depth)
		b.expr(i32, depth)
		b.bytes(0xfd, 0x1c, byte(b.IntN(4))) // replace a lane
	case k == 6:
		b.expr(v128, depth)
		b.bytes(0xfd, 0x4d)
	case !b.memory:
		b.leaf(v128)
	case b.one(3):
		b.address(depth)
		b.expr(v128, depth)
		b.bytes(0xfd, 0x56)
		b.offset(2)
		b.bytes(byte(b.IntN(4)))
	default:
		b.address(depth)
		b.bytes(0xfd, []byte{0x00, 0x01, 0x09, 0x5c}[b.IntN(4)])
		b.offset(2)
	}
}

func (b *body) operationRef(t byte, depth int) {
	if t == funcRef && b.one(2) {
		b.refFunc(&b.writer)
		return
	}
	if i := b.tableOf(t); i >= 0 {
		b.entry(i, depth)
		b.bytes(0x25)
		b.u(i)
		return
	}
	b.leaf(t)
}

;; end: deadline
;; engine: compiler
;; callMs: 80
;; Looks quick, so that it is given much fuel at once; and then follows pointers through all of its memory. By turns.
(module (memory 256)
  (func $fill (local $i i32) (local $at i32) (local $next i32)
    (loop $l
      (local.set $next (i32.and (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 0x3ffff)))
      (i32.store (i32.shl (local.get $at) (i32.const 6)) (i32.shl (local.get $next) (i32.const 6)))
      (local.set $at (local.get $next))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x40000)))))
  (func (export "f") (local $i i32) (local $p i32)
    (call $fill)
    (loop $turn
      (local.set $i (i32.const 3000000))
      (loop $quick (br_if $quick (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (local.set $i (i32.const 5000))
      (loop $slow
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (local.set $p (i32.load (local.get $p)))
        (br_if $slow (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (br $turn))))

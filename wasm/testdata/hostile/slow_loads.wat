;; end: deadline
;; engine: compiler
;; callMs: 80
;; Each load waits for the one before it, and none finds its line in a cache: a cycle through all the memory.
(module (memory 256)
  (func $fill (local $i i32) (local $at i32) (local $next i32)
    (loop $l
      (local.set $next (i32.and (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 0x3ffff)))
      (i32.store (i32.shl (local.get $at) (i32.const 6)) (i32.shl (local.get $next) (i32.const 6)))
      (local.set $at (local.get $next))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x40000)))))
  (func (export "f") (local $p i32)
    (call $fill)
    (loop $l
      (local.set $p (i32.load (i32.load (i32.load (i32.load (i32.load (i32.load (i32.load (i32.load (local.get $p))))))))))
      (br $l))))

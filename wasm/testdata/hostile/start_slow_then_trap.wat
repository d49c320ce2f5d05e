;; end: trap|deadline
;; engine: compiler
;; Each call has to start an instance, which takes as long as it may.
(module (func $s (local $i i32) (local.set $i (i32.const 5000000))
    (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
  (start $s)
  (func (export "f") unreachable))

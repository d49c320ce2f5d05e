;; end: trap|deadline
;; Each page that it is given, and each part of it that the machine gives alone.
(module (memory 1)
  (func (export "f") (local $i i32)
    (loop $more
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (loop $touch
        (i32.store8 (local.get $i) (i32.const 1))
        (br_if $touch (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.shl (memory.size) (i32.const 16)))))
      (br $more))))

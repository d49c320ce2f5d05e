;; end: deadline
;; The head of the outer loop is where the inner one goes, always.
(module (func (export "f") (local $i i32)
  (loop $a (loop $b (loop $c
    (br_if $a (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1)))
    (br_if $b (i32.and (local.get $i) (i32.const 2)))
    (br $c))))))

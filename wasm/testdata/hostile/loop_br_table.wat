;; end: deadline
;; A dispatch loop whose branches the processor cannot foresee.
(module (func (export "f") (local $s i32) (local.set $s (i32.const 1))
  (loop $l
    (local.set $s (i32.xor (local.get $s) (i32.shl (local.get $s) (i32.const 13))))
    (local.set $s (i32.xor (local.get $s) (i32.shr_u (local.get $s) (i32.const 17))))
    (local.set $s (i32.xor (local.get $s) (i32.shl (local.get $s) (i32.const 5))))
    (block $a (block $b (block $c (block $d
      (br_table $a $b $c $d $l $a $d $c (i32.and (i32.const 7) (local.get $s))))
      (br $l)) (br $l)) (br $l))
    (br $l))))

(module
  (func (export "switch") (param i32) (result i32)
    (block $default
      (block $two
        (block $one
          (block $zero
            (br_table $zero $one 2 $default (local.get 0)))
          (return (i32.const 100)))
        (return (i32.const 101)))
      (return (i32.const 102)))
    i32.const -1)
  (func $swap (param i32 i64) (result i64 i32) local.get 1 local.get 0)
  (func (export "swap") (param i32 i64) (result i64 i32) (call $swap (local.get 0) (local.get 1)))
  (func (export "blocks") (param $n i32) (result i32)
    local.get $n
    i32.const 3
    block $pair (param i32 i32) (result i32 i32)
      i32.add
      local.get $n
      br $pair
    end
    i32.mul)
  (func (export "flat") (param $n i32) (result i32)
    local.get $n
    if $even (result i32)
      i32.const 1
      br $even
    else $even
      i32.const 2
    end $even
    (local.set $n)
    (loop $down
      (br_if $down (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (if (i32.eqz (local.get $n)) (then nop (return (i32.const 7))))
    unreachable)
  (func (export "select") (param i32) (result f64)
    (select (f64.const 1.5) (f64.const 2.5) (local.get 0)))
  (func (export "shadow") (param i32) (result i32)
    (block $l (result i32) (block $l (result i32) (br $l (i32.const 1))) (i32.const 10) i32.add)))

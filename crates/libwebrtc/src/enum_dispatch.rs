/// Writes the methods of an enum whose variants all wrap a value that has those methods.
///
/// Each listed method, with its documentation, is forwarded to the value in the variant at hand. The receiver is spelled
/// out (`self: &Self`) and so is the return type, `()` included; generics and `async` methods are
/// not understood.
///
/// ```
/// struct Cat;
/// struct Dog;
/// impl Cat { fn says(&self, times: usize) -> String { "miaow ".repeat(times) } }
/// impl Dog { fn says(&self, times: usize) -> String { "woof ".repeat(times) } }
///
/// enum Pet { Cat(Cat), Dog(Dog) }
/// impl Pet {
///     libwebrtc::enum_dispatch!(
///         [Cat, Dog];
///         pub fn says(self: &Self, times: usize) -> String;
///     );
/// }
/// assert_eq!(Pet::Dog(Dog).says(2), "woof woof ");
/// ```
#[macro_export]
macro_rules! enum_dispatch {
    // The variants travel as one token tree: two repetitions of different length cannot be nested.
    ($variants:tt; $($(#[$attribute:meta])* $vis:vis fn $name:ident ( $this:ident : $receiver:ty $(, $arg:ident : $arg_type:ty)* $(,)? ) -> $output:ty;)+) => {
        $(
            $(#[$attribute])*
            #[inline]
            $vis fn $name($this: $receiver $(, $arg: $arg_type)*) -> $output {
                $crate::enum_dispatch!(@variants $variants $this $name ($($arg),*))
            }
        )+
    };
    (@variants [$($variant:ident),+ $(,)?] $this:ident $name:ident $args:tt) => {
        match $this {
            $(Self::$variant(inner) => inner.$name $args,)+
        }
    };
}

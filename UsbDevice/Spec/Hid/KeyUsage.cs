namespace Dma.UsbDevice.Spec;

/// <summary>The keys of a keyboard, by the place that they have on a US one (USB HID usage tables, keyboard page).</summary>
public enum KeyUsage : byte
{
    /// <summary>No key.</summary>
    None = 0,

    /// <summary>More keys are held than a report can name.</summary>
    RollOver = 1,

    /// <summary>The keyboard failed its self-test.</summary>
    PostFail = 2,

    /// <summary>Another error.</summary>
    Undefined = 3,

    /// <summary>a, A.</summary>
    A = 4,

    /// <summary>b, B.</summary>
    B = 5,

    /// <summary>c, C.</summary>
    C = 6,

    /// <summary>d, D.</summary>
    D = 7,

    /// <summary>e, E.</summary>
    E = 8,

    /// <summary>f, F.</summary>
    F = 9,

    /// <summary>g, G.</summary>
    G = 10,

    /// <summary>h, H.</summary>
    H = 11,

    /// <summary>i, I.</summary>
    I = 12,

    /// <summary>j, J.</summary>
    J = 13,

    /// <summary>k, K.</summary>
    K = 14,

    /// <summary>l, L.</summary>
    L = 15,

    /// <summary>m, M.</summary>
    M = 16,

    /// <summary>n, N.</summary>
    N = 17,

    /// <summary>o, O.</summary>
    O = 18,

    /// <summary>p, P.</summary>
    P = 19,

    /// <summary>q, Q.</summary>
    Q = 20,

    /// <summary>r, R.</summary>
    R = 21,

    /// <summary>s, S.</summary>
    S = 22,

    /// <summary>t, T.</summary>
    T = 23,

    /// <summary>u, U.</summary>
    U = 24,

    /// <summary>v, V.</summary>
    V = 25,

    /// <summary>w, W.</summary>
    W = 26,

    /// <summary>x, X.</summary>
    X = 27,

    /// <summary>y, Y.</summary>
    Y = 28,

    /// <summary>z, Z.</summary>
    Z = 29,

    /// <summary>1, !.</summary>
    Digit1 = 30,

    /// <summary>2, @.</summary>
    Digit2 = 31,

    /// <summary>3, #.</summary>
    Digit3 = 32,

    /// <summary>4, $.</summary>
    Digit4 = 33,

    /// <summary>5, %.</summary>
    Digit5 = 34,

    /// <summary>6, ^.</summary>
    Digit6 = 35,

    /// <summary>7, &amp;.</summary>
    Digit7 = 36,

    /// <summary>8, *.</summary>
    Digit8 = 37,

    /// <summary>9, (.</summary>
    Digit9 = 38,

    /// <summary>0, ).</summary>
    Digit0 = 39,

    /// <summary>Return.</summary>
    Enter = 40,

    /// <summary>Escape.</summary>
    Escape = 41,

    /// <summary>Backspace.</summary>
    Backspace = 42,

    /// <summary>Tab.</summary>
    Tab = 43,

    /// <summary>Space.</summary>
    Space = 44,

    /// <summary>-, _.</summary>
    Minus = 45,

    /// <summary>=, +.</summary>
    Equal = 46,

    /// <summary>[, {.</summary>
    LeftBracket = 47,

    /// <summary>], }.</summary>
    RightBracket = 48,

    /// <summary>\, |.</summary>
    Backslash = 49,

    /// <summary>Beside Return on keyboards with one key more.</summary>
    NonUsHash = 50,

    /// <summary>;, :.</summary>
    Semicolon = 51,

    /// <summary>', ".</summary>
    Quote = 52,

    /// <summary>`, ~.</summary>
    Grave = 53,

    /// <summary>,, &lt;.</summary>
    Comma = 54,

    /// <summary>., &gt;.</summary>
    Period = 55,

    /// <summary>/, ?.</summary>
    Slash = 56,

    /// <summary>Caps Lock.</summary>
    CapsLock = 57,

    /// <summary>F1.</summary>
    F1 = 58,

    /// <summary>F2.</summary>
    F2 = 59,

    /// <summary>F3.</summary>
    F3 = 60,

    /// <summary>F4.</summary>
    F4 = 61,

    /// <summary>F5.</summary>
    F5 = 62,

    /// <summary>F6.</summary>
    F6 = 63,

    /// <summary>F7.</summary>
    F7 = 64,

    /// <summary>F8.</summary>
    F8 = 65,

    /// <summary>F9.</summary>
    F9 = 66,

    /// <summary>F10.</summary>
    F10 = 67,

    /// <summary>F11.</summary>
    F11 = 68,

    /// <summary>F12.</summary>
    F12 = 69,

    /// <summary>Print Screen.</summary>
    PrintScreen = 70,

    /// <summary>Scroll Lock.</summary>
    ScrollLock = 71,

    /// <summary>Pause.</summary>
    Pause = 72,

    /// <summary>Insert.</summary>
    Insert = 73,

    /// <summary>Home.</summary>
    Home = 74,

    /// <summary>Page Up.</summary>
    PageUp = 75,

    /// <summary>Delete.</summary>
    Delete = 76,

    /// <summary>End.</summary>
    End = 77,

    /// <summary>Page Down.</summary>
    PageDown = 78,

    /// <summary>Right arrow.</summary>
    Right = 79,

    /// <summary>Left arrow.</summary>
    Left = 80,

    /// <summary>Down arrow.</summary>
    Down = 81,

    /// <summary>Up arrow.</summary>
    Up = 82,

    /// <summary>Num Lock.</summary>
    NumLock = 83,

    /// <summary>Keypad /.</summary>
    KeypadDivide = 84,

    /// <summary>Keypad *.</summary>
    KeypadMultiply = 85,

    /// <summary>Keypad -.</summary>
    KeypadMinus = 86,

    /// <summary>Keypad +.</summary>
    KeypadPlus = 87,

    /// <summary>Keypad Enter.</summary>
    KeypadEnter = 88,

    /// <summary>Keypad 1.</summary>
    Keypad1 = 89,

    /// <summary>Keypad 2.</summary>
    Keypad2 = 90,

    /// <summary>Keypad 3.</summary>
    Keypad3 = 91,

    /// <summary>Keypad 4.</summary>
    Keypad4 = 92,

    /// <summary>Keypad 5.</summary>
    Keypad5 = 93,

    /// <summary>Keypad 6.</summary>
    Keypad6 = 94,

    /// <summary>Keypad 7.</summary>
    Keypad7 = 95,

    /// <summary>Keypad 8.</summary>
    Keypad8 = 96,

    /// <summary>Keypad 9.</summary>
    Keypad9 = 97,

    /// <summary>Keypad 0.</summary>
    Keypad0 = 98,

    /// <summary>Keypad period.</summary>
    KeypadPeriod = 99,

    /// <summary>Beside left Shift on keyboards with one key more.</summary>
    NonUsBackslash = 100,

    /// <summary>The key that opens a menu.</summary>
    Application = 101,

    /// <summary>Left Control.</summary>
    LeftControl = 224,

    /// <summary>Left Shift.</summary>
    LeftShift = 225,

    /// <summary>Left Alt.</summary>
    LeftAlt = 226,

    /// <summary>Left GUI.</summary>
    LeftGui = 227,

    /// <summary>Right Control.</summary>
    RightControl = 228,

    /// <summary>Right Shift.</summary>
    RightShift = 229,

    /// <summary>Right Alt.</summary>
    RightAlt = 230,

    /// <summary>Right GUI.</summary>
    RightGui = 231,
}

using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A mouse with three buttons and a wheel (USB HID 1.11, boot mouse).</summary>
/// <remarks>
/// Movements between two questions of the host add up, and more than a report can tell is told by several. No change of
/// a button is passed over. The boot form has no wheel: what was scrolled is lost there.
/// </remarks>
public sealed class MouseDevice : HidDevice
{
    /// <summary>Changes of buttons that wait for the host at most; one more is lost.</summary>
    public const int ChangesMax = 256;

    /// <summary>How far a movement that the host did not fetch adds up, in counts; more is lost.</summary>
    public const int TravelMax = 1_000_000;

    private const int StepMax = 127;

    private readonly List<State> _news = new(ChangesMax);
    private MouseButtons _buttons;
    private MouseButtons _told;

    /// <summary>A mouse at rest.</summary>
    /// <param name="loop">The time that it lives in.</param>
    /// <param name="speed">Low, full or high.</param>
    /// <exception cref="ArgumentException">There are no SuperSpeed mice.</exception>
    public MouseDevice(EventLoop loop, UsbSpeed speed = UsbSpeed.High)
        : base(loop, speed, new("Mouse", ProductId: 0x0004, BootProtocol: 2, Form, MouseReport.Size, DefaultIdle: 0))
    {
    }

    /// <summary>How far it was moved, in counts.</summary>
    private readonly record struct Motion(int X, int Y, int Wheel)
    {
        public bool IsNone => X == 0 && Y == 0 && Wheel == 0;

        public Motion Plus(Motion more) => new(Add(X, more.X), Add(Y, more.Y), Add(Wheel, more.Wheel));

        public Motion Minus(Motion less) => new(X - less.X, Y - less.Y, Wheel - less.Wheel);

        public Motion Step() => new(Math.Clamp(X, -StepMax, StepMax), Math.Clamp(Y, -StepMax, StepMax), Math.Clamp(Wheel, -StepMax, StepMax));

        private static int Add(int sum, int more) => (int)Math.Clamp((long)sum + more, -TravelMax, TravelMax);
    }

    /// <summary>Buttons, and how far it was moved while they were held.</summary>
    private readonly record struct State(MouseButtons Buttons, Motion Motion);

    // Three buttons with five bits of padding; x, y and the wheel as signed bytes, relative.
    private static byte[] Form =>
    [
        0x05, 0x01, 0x09, 0x02, 0xA1, 0x01, 0x09, 0x01, 0xA1, 0x00,
        0x05, 0x09, 0x19, 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02,
        0x95, 0x01, 0x75, 0x05, 0x81, 0x01,
        0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, 0x15, 0x81, 0x25, 0x7F, 0x75, 0x08, 0x95, 0x03, 0x81, 0x06,
        0xC0, 0xC0,
    ];

    /// <inheritdoc/>
    private protected override bool HasNews => _news.Count != 0;

    /// <summary>Moves it.</summary>
    /// <param name="right">Counts to the right.</param>
    /// <param name="down">Counts down.</param>
    public void Move(int right, int down) => Add(new(right, down, 0));

    /// <summary>Turns the wheel.</summary>
    /// <param name="away">Counts away from the user.</param>
    public void Scroll(int away) => Add(new(0, 0, away));

    /// <summary>Presses buttons; nothing happens to those that are held already.</summary>
    /// <returns><c>false</c> where the host is so far behind that the change is lost.</returns>
    public bool Press(MouseButtons buttons) => Change(_buttons | buttons);

    /// <summary>Releases buttons; nothing happens to those that are not held.</summary>
    /// <inheritdoc cref="Press"/>
    public bool Release(MouseButtons buttons) => Change(_buttons & ~buttons);

    /// <inheritdoc/>
    private protected override int TakeReport(Span<byte> report)
    {
        State next = _news[0];
        Motion step = next.Motion.Step();
        Motion left = next.Motion.Minus(step);
        if (Protocol == HidProtocol.Boot)
            left = left with { Wheel = 0 };
        if (left.IsNone)
            _news.RemoveAt(0);
        else
            _news[0] = next with { Motion = left };
        _told = next.Buttons;
        return Write(report, step);
    }

    /// <inheritdoc/>
    private protected override int CurrentReport(Span<byte> report) => Write(report, default);

    /// <inheritdoc/>
    private protected override void ForgetNews()
    {
        _news.Clear();
        _told = _buttons;
    }

    private int Write(Span<byte> report, Motion step)
    {
        MouseReport full = new() { Buttons = _told, X = (sbyte)step.X, Y = (sbyte)step.Y, Wheel = (sbyte)step.Wheel };
        int length = Protocol == HidProtocol.Boot ? MouseReport.BootSize : MouseReport.Size;
        Packed.Write(full, report[..length]);
        return length;
    }

    private void Add(Motion motion)
    {
        if (motion.IsNone)
            return;
        if (_news.Count == 0)
            _news.Add(new(_buttons, motion));
        else
            _news[^1] = _news[^1] with { Motion = _news[^1].Motion.Plus(motion) };
        Wake();
    }

    private bool Change(MouseButtons buttons)
    {
        if (buttons == _buttons)
            return true;
        if (_news.Count == ChangesMax)
            return false;
        _buttons = buttons;
        _news.Add(new(buttons, default));
        Wake();
        return true;
    }
}

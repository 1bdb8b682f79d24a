using System.Text;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>One client's view of a machine: takes a line of QEMU's qtest protocol, does it, and answers with one line.</summary>
/// <remarks>
/// The protocol is QEMU's (docs/devel/testing/qtest, and the description in its source). Where QEMU ends itself, as for
/// a word that is no number, the answer here is FAIL and nothing was done.
/// </remarks>
internal sealed class QtestSession : IDisposable
{
    // As far as the protocol knows devices: the paths under which the I/O APIC is named.
    private const string Controller = "ioapic";
    private const string UnnamedPins = "unnamed-gpio-in";

    private readonly ScriptedMachine _machine;
    private readonly QtestClock _clock;
    private readonly QtestMemory _memory;
    private readonly QtestAnswer _answer;
    private bool _watchesPins;

    // Up to when the clock is being moved for this client.
    private ulong? _target;
    private bool _targetIsExact;

    /// <summary>A client that has just connected.</summary>
    /// <param name="machine">What it works on.</param>
    /// <param name="clock">Its time.</param>
    /// <param name="answer">Where answers and notifications go.</param>
    public QtestSession(ScriptedMachine machine, QtestClock clock, QtestAnswer answer)
    {
        (_machine, _clock, _answer) = (machine, clock, answer);
        _memory = new(machine, answer);
    }

    /// <summary>Whether a line is under way that takes several turns; its answer comes with the last one.</summary>
    public bool IsBusy => _target is not null;

    /// <summary>Does what a line says, and answers with exactly one line, after any notifications.</summary>
    /// <param name="line">The line, without its end.</param>
    public void Execute(ReadOnlySpan<byte> line)
    {
        QtestArguments arguments = new(line);
        string command = Encoding.Latin1.GetString(arguments.Word());
        switch (command)
        {
            case "readb" or "readw" or "readl" or "readq":
                _memory.Load(ref arguments, Width(command));
                break;
            case "writeb" or "writew" or "writel" or "writeq":
                _memory.Store(ref arguments, Width(command));
                break;
            case "inb" or "inw" or "inl":
                In(ref arguments, Width(command));
                break;
            case "outb" or "outw" or "outl":
                Out(ref arguments, Width(command));
                break;
            case "read":
                _memory.Read(ref arguments);
                break;
            case "write":
                _memory.Write(ref arguments);
                break;
            case "b64read":
                _memory.ReadBase64(ref arguments);
                break;
            case "b64write":
                _memory.WriteBase64(ref arguments);
                break;
            case "memset":
                _memory.Fill(ref arguments);
                break;
            case "clock_step":
                Step(ref arguments);
                break;
            case "clock_set":
                SetClock(ref arguments);
                break;
            case "irq_intercept_in" or "irq_intercept_out":
                Intercept(ref arguments, inbound: command == "irq_intercept_in");
                break;
            case "set_irq_in":
                SetPin(ref arguments);
                break;
            case "msi_take":
                TakeMessages(ref arguments);
                break;
            case "endianness":
                if (arguments.AreGood(_answer))
                    _answer.Ok("little");
                break;
            default:
                _answer.Fail($"Unknown command '{command}'");
                break;
        }
    }

    /// <summary>Gives another turn to a line that is under way.</summary>
    public void Continue()
    {
        if (_target is not { } target || !_clock.TryReach(target))
            return;
        _target = null;
        if (_targetIsExact && _clock.NowNs != target)
            _answer.Fail($"{_clock.NowNs}");
        else
            _answer.OkDecimal(_clock.NowNs);
    }

    /// <summary>Ends the client's notifications.</summary>
    public void Dispose()
    {
        if (_watchesPins)
            _machine.Pins.Changed -= _answer.Interrupt;
    }

    private static int Width(string command) => command[^1] switch
    {
        'b' => 1,
        'w' => 2,
        'l' => 4,
        _ => 8,
    };

    private void In(ref QtestArguments arguments, int width)
    {
        ulong port = arguments.Number("ADDR", ushort.MaxValue);
        if (arguments.AreGood(_answer))
            _answer.OkPort(_machine.In((ushort)port, width));
    }

    private void Out(ref QtestArguments arguments, int width)
    {
        ulong port = arguments.Number("ADDR", ushort.MaxValue);
        ulong value = arguments.Number("VALUE");
        if (!arguments.AreGood(_answer))
            return;
        _machine.Out((ushort)port, width, (uint)(value & RegisterFile.AllOnes(width)));
        _answer.Ok();
    }

    private void Step(ref QtestArguments arguments)
    {
        ulong now = _clock.NowNs;
        bool toNext = arguments.IsAtEnd;
        ulong step = toNext ? 0 : arguments.Number("NS", QtestClock.EndNs);
        if (!arguments.AreGood(_answer))
            return;
        ulong? target = toNext ? _clock.NextDueNs : now + step;
        if (target is not { } time)
            _answer.Fail("cannot advance clock to the next deadline because there is no pending deadline");
        else if (time <= now || time > QtestClock.EndNs)
            _answer.Fail("could not advance time");
        else
            MoveClock(time, isExact: false);
    }

    private void SetClock(ref QtestArguments arguments)
    {
        ulong time = arguments.Number("NS", QtestClock.EndNs);
        if (arguments.AreGood(_answer))
            MoveClock(time, isExact: true);
    }

    private void MoveClock(ulong time, bool isExact)
    {
        (_target, _targetIsExact) = (time, isExact);
        Continue();
    }

    private void Intercept(ref QtestArguments arguments, bool inbound)
    {
        string path = Encoding.Latin1.GetString(arguments.Word("QOM-PATH"));
        string? name = arguments.IsAtEnd ? null : Encoding.Latin1.GetString(arguments.Word());
        if (!arguments.AreGood(_answer))
            return;
        if (!IsController(path))
            _answer.Fail("Unknown device");
        else if (inbound && name is not null)
            _answer.Fail("Interception of named in-GPIOs not yet supported");
        else if (_watchesPins)
            _answer.Ok();
        else if (!inbound)
            _answer.Fail("No intercepts installed");
        else
        {
            _machine.Pins.Changed += _answer.Interrupt;
            _watchesPins = true;
            _answer.Ok();
        }
    }

    private void SetPin(ref QtestArguments arguments)
    {
        string path = Encoding.Latin1.GetString(arguments.Word("QOM-PATH"));
        string name = Encoding.Latin1.GetString(arguments.Word("NAME"));
        ulong pin = arguments.Number("NUM", IoApic.Pins - 1);
        ReadOnlySpan<byte> level = arguments.Word("LEVEL");
        if (!QtestNumber.TryParse(level.StartsWith("-"u8) ? level[1..] : level, out ulong magnitude))
            arguments.Refuse("LEVEL is no number of 64 bits");
        if (!arguments.AreGood(_answer))
            return;
        if (!IsController(path))
            _answer.Fail("Unknown device");
        else if (name != UnnamedPins)
            _answer.Fail("Unknown pins");
        else
        {
            _machine.Pins.SetLevel((int)pin, magnitude != 0);
            _machine.Settle();
            _answer.Ok();
        }
    }

    // Not in QEMU, where messages go to a local APIC that this machine does not have.
    private void TakeMessages(ref QtestArguments arguments)
    {
        if (!arguments.AreGood(_answer))
            return;
        IReadOnlyList<MessageInterrupt> messages = _machine.Interrupts.Take();
        _answer.Ok(string.Join(' ', messages.Select(message => $"0x{message.Address:x16} 0x{message.Data:x8}").Prepend($"{messages.Count}")));
    }

    private static bool IsController(string path) => path == Controller || path.EndsWith("/" + Controller, StringComparison.Ordinal);
}

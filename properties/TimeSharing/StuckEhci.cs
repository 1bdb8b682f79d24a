using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>An EHCI controller that can be made to hang.</summary>
internal sealed class StuckEhci(EventLoop loop, EhciOptions options) : EhciController(loop, options), IStuckController
{
    private const ulong CommandAt = 0x20 + EhciOperationalOffsets.UsbCommand;

    // The command as it was written where the controller does something else.
    private UsbCommand? _written;
    private bool _resets;

    /// <inheritdoc/>
    public Stuck Stuck { get; set; }

    private bool IsResetting => _resets && Stuck.HasFlag(Stuck.Reset);

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        ulong value = base.ReadBar(bar, offset, width);
        if (bar != 0 || offset != CommandAt)
            return value;
        return IsResetting ? value | new UsbCommand { Reset = true }.Raw.Value : _written?.Raw.Value ?? value;
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (IsResetting)
            return;
        if (bar == 0 && offset == CommandAt)
            value = Hear(new(new((uint)value))).Raw.Value;
        base.WriteBar(bar, offset, width, value);
    }

    private UsbCommand Hear(UsbCommand command)
    {
        _written = null;
        if (command.Reset)
        {
            _resets = Stuck.HasFlag(Stuck.Reset);
            Stuck = _resets ? Stuck : Stuck.None;
            return command with { Reset = !_resets };
        }

        UsbCommand done = command;
        UsbCommand before = new(new((uint)base.ReadBar(0, CommandAt, 4)));
        if (before.Run && Stuck.HasFlag(Stuck.Halt))
            done = done with { Run = true };
        if (Stuck.HasFlag(Stuck.Schedules))
            done = done with { PeriodicEnable = before.PeriodicEnable, AsyncEnable = before.AsyncEnable };
        _written = done == command ? null : command;
        return done;
    }
}

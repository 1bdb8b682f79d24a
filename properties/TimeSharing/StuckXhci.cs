using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>An xHCI controller that can be made to hang.</summary>
internal sealed class StuckXhci(EventLoop loop, XhciOptions options) : XhciController(loop, options), IStuckController
{
    private const ulong CommandAt = 0x40 + XhciOperationalOffsets.Command;
    private const ulong StatusAt = 0x40 + XhciOperationalOffsets.Status;
    private const ulong CommandDoorbell = 0x3000;

    private XhciStatus _shown;
    private bool _resets;

    /// <inheritdoc/>
    public Stuck Stuck { get; set; }

    private bool IsResetting => _resets && Stuck.HasFlag(Stuck.Reset);

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        ulong value = base.ReadBar(bar, offset, width);
        return (bar, offset) switch
        {
            (0, StatusAt) => value | _shown.Raw.Value,
            (0, CommandAt) when IsResetting => value | new XhciCommand { Reset = true }.Raw.Value,
            (XhciGateOffsets.Bar, XhciGateOffsets.Busy) when Stuck.HasFlag(Stuck.Commands) => 1,
            _ => value,
        };
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (IsResetting || (bar == 0 && offset == CommandDoorbell && Stuck.HasFlag(Stuck.Commands)))
            return;
        if (bar == 0 && offset == CommandAt)
            value = Hear(new(new((uint)value))).Raw.Value;
        base.WriteBar(bar, offset, width, value);
    }

    private XhciCommand Hear(XhciCommand command)
    {
        if (command.Reset)
        {
            _resets = Stuck.HasFlag(Stuck.Reset);
            (_shown, Stuck) = _resets ? (_shown, Stuck) : (default, Stuck & Stuck.Commands);
            return command with { Reset = !_resets };
        }

        bool isRunning = !new XhciStatus(new((uint)base.ReadBar(0, StatusAt, 4))).Halted;
        if (isRunning && Stuck.HasFlag(Stuck.Halt))
            command = command with { Run = true, SaveState = false, RestoreState = false };
        bool saves = command.SaveState && Stuck.HasFlag(Stuck.Save);
        bool restores = command.RestoreState && Stuck.HasFlag(Stuck.Restore);
        _shown = _shown with { Saving = _shown.Saving || saves, Restoring = _shown.Restoring || restores };
        return command with { SaveState = command.SaveState && !saves, RestoreState = command.RestoreState && !restores };
    }
}

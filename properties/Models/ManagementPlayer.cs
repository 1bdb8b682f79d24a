using Dma.Hal.Spec;

namespace Dma.Properties;

/// <summary>A guest, the model of its files, and what was done to it.</summary>
internal sealed class ManagementPlayer(ManagementGuest guest)
{
    private readonly Dictionary<uint, Sent> _sends = [];
    private int _disturbances;
    private uint _wasCancelled;

    public ManagementGuest Guest => guest;

    public ManagementFilesModel Files { get; } = new(ManagementWorld.QuotaBytes);

    public int Fails { get; private set; }

    public uint Cancelled { get; set; }

    private bool IsAway => !guest.Machine.IsRunning || (guest.Device.Modes & ManagementModes.Chat) == 0;

    public uint AnyHandle(int number) => Files.Handles.ElementAtOrDefault(number % 3);

    public void Disturb()
    {
        _disturbances++;
        _wasCancelled = uint.MaxValue;
        Files.CloseAll();
    }

    public void Forget()
    {
        Cancelled = _wasCancelled = 0;
        _sends.Clear();
    }

    public void CoreFailed()
    {
        Fails++;
        _disturbances++;
        Files.CloseAll();
    }

    public void Note(RungRequest request, ManagementPlayer? to, int waiting) =>
        _sends[request.Tag] = new(to, to?._disturbances ?? 0, to?.IsAway ?? true, Fails, waiting);

    public bool WasCancelled(int slot) => ((Cancelled | _wasCancelled) >> slot & 1) != 0;

    public bool MayEnd(RungRequest request, ManagementResult result)
    {
        Sent sent = _sends[request.Tag];
        return result switch
        {
            ManagementResult.Done => true,
            ManagementResult.ModeOff => guest.Device.Modes == ManagementModes.None,
            ManagementResult.Cancelled => WasCancelled(request.Slot),
            ManagementResult.CoreLost => sent.Fails != Fails,
            ManagementResult.InboxFull => sent.Waiting > 8,
            ManagementResult.NoDestination => request.Fields.Destination != 0 && (sent.WasAway || sent.To!._disturbances != sent.Disturbances),
            _ => false,
        };
    }

    // How things stood when a message was sent: its destination, what had been done to that, and how many were before it.
    private sealed record Sent(ManagementPlayer? To, int Disturbances, bool WasAway, int Fails, int Waiting);
}

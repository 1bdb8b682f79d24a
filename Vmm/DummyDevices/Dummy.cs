using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>A dummy device in its VM, and what its driver was told and did.</summary>
/// <param name="set">The register set of the VM.</param>
/// <param name="socket">Where it is plugged in.</param>
/// <param name="device">The device.</param>
/// <param name="conduct">How the drivers of that VM behaved so far.</param>
internal sealed class Dummy(int set, UsbPort socket, DummyDevice device, DummyConduct conduct)
{
    private ushort _number;
    private int _setting;
    private ulong _answersBefore;

    /// <summary>The register set of the VM.</summary>
    public int Set => set;

    /// <summary>The port in which it is, counting from 1 those that have no bus behind them.</summary>
    public int Number => socket.Number;

    /// <summary>The device.</summary>
    public DummyDevice Device => device;

    /// <summary>How the drivers of its VM behaved so far.</summary>
    public DummyConduct Conduct => conduct;

    /// <summary>What its driver shall reserve, in nanoseconds of each microframe.</summary>
    public uint NeedNs { get; private set; }

    /// <summary>What a driver reserves that does as it was told, in nanoseconds of each microframe.</summary>
    public uint ToldNs => IsTold ? DummyLadder.TimeOf(_setting) : 0;

    /// <summary>The number of what its driver was told last.</summary>
    public ushort NoticeNumber => _number;

    /// <summary>Whether its driver knows what it shall reserve.</summary>
    public bool IsTold { get; private set; }

    /// <summary>Whether the driver has no time for what it was told last.</summary>
    public bool HasRefused => device.RefusedNumber == _number;

    /// <summary>Whether the driver has reserved what it was told last, and not more.</summary>
    public bool HasReserved => device.ReservedNs >= NeedNs && (device.Answers != _answersBefore || device.ReservedNs == DummyLadder.TimeOf(_setting));

    /// <summary>How far the driver is.</summary>
    public DummyState State => !device.IsBound ? DummyState.Plugged
        : device.ReservedNs < NeedNs ? DummyState.Reserving
        : device.ReservedNs > DummyLadder.TimeOf(_setting) ? DummyState.Releasing
        : NeedNs == 0 ? DummyState.Bound
        : DummyState.Reserved;

    /// <summary>Tells the driver what to reserve.</summary>
    /// <param name="needNs">Nanoseconds of each microframe, no more than the ladder has.</param>
    public void Tell(uint needNs)
    {
        (NeedNs, _setting, _answersBefore, IsTold) = (needNs, DummyLadder.SettingFor(needNs) ?? DummyLadder.StepCount, device.Answers, true);
        _number++;
        device.Notify(new() { Number = _number, NeedNs = needNs });
    }

    /// <summary>Where its driver went, the next one knows nothing.</summary>
    public void ForgetDriver() => IsTold = false;

    /// <summary>Pulls it out.</summary>
    public void Unplug() => _ = socket.Unplug();
}

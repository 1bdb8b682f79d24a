using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Memory and register sets on which a schedule can be built by hand.</summary>
internal interface IScheduleHost
{
    EventLoop Loop { get; }

    bool IsAsyncActive { get; }

    ulong AsyncPosition { get; }

    uint BaseOf(int set);

    void Register(int set, int operational, uint value);

    void Write<T>(uint address, in T value)
        where T : unmanaged;
}

/// <summary>An ordinary controller as such.</summary>
internal sealed class PlainHost(EhciBench bench) : IScheduleHost
{
    public EventLoop Loop => bench.Loop;

    public bool IsAsyncActive => bench.Status.AsyncActive;

    public ulong AsyncPosition => bench.ReadRegister(EhciOperationalOffsets.AsyncListAddress);

    public uint BaseOf(int set) => SharedBench.BaseOf(set);

    public void Register(int set, int operational, uint value) => bench.WriteRegister(operational, value);

    public void Write<T>(uint address, in T value)
        where T : unmanaged => bench.Write(address, value);
}

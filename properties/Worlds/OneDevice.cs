using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A small host with one device, still its own, and one VM to which it can go.</summary>
internal sealed class OneDevice : IDisposable
{
    public OneDevice(DmaDevice? device = null, FaultStorm? storm = null)
    {
        Host = AssignmentWorld.Small(storm);
        Device = device ?? new();
        Host.Pci.Add(Device, 3);
        Host.Boot();
        Machine = Host.CreateMachine("one", 2 * AssignmentWorld.MiB);
    }

    public Host Host { get; }

    public DmaDevice Device { get; }

    public VirtualMachine Machine { get; }

    public Assignment Assignment => Host.AssignmentOf(Device.Source);

    /// <summary>Gives the VM the device, as 00:01.0.</summary>
    public void Assign() =>
        Assert.True(AssignmentWorld.Run(Host, () => Assignment.Assign(Machine, new(0, 1, 0))).IsDone);

    public void Deconstruct(out Host host, out DmaDevice device, out VirtualMachine machine, out Assignment assignment) =>
        (host, device, machine, assignment) = (Host, Device, Machine, Assignment);

    public void Dispose() => Host.Dispose();
}

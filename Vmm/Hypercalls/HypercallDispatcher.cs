using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Answers the hypercalls of one VM. Numbers and arguments may be anything; what is refused changed nothing.</summary>
/// <param name="machine">Who calls.</param>
internal sealed class HypercallDispatcher(VirtualMachine machine)
{
    /// <summary>Answers one call; the meaning of each stands at <see cref="Hypercall"/>.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<HypercallResult> Call(Hypercall number, ulong argument0, ulong argument1, ulong argument2, ulong argument3) =>
        !machine.IsRunning ? Refuse(DmaRefusal.Denied) : number switch
        {
            Hypercall.MapDma => await Map(argument0, new(argument1), argument2, argument3),
            Hypercall.UnmapDma when argument3 == 0 => await Unmap(argument0, new(argument1), argument2),
            Hypercall.FlushDma when (argument1 | argument2 | argument3) == 0 => await Flush(argument0),
            Hypercall.FindDevice when (argument1 | argument2 | argument3) == 0 => Find(argument0),
            Hypercall.ShareGrants when (argument2 | argument3) == 0 => Refuse(machine.Grants.Share(new(argument0), argument1)),
            Hypercall.ConnectUsb when argument3 == 0 => await Connect(argument0, argument1, argument2),
            Hypercall.NotifyUsb when (argument0 | argument1 | argument2 | argument3) == 0 => Refuse(machine.UsbServer?.Notify() ?? DmaRefusal.NotAssigned),
            Hypercall.DisconnectUsb when (argument0 | argument1 | argument2 | argument3) == 0 => Refuse(await Disconnect()),
            >= Hypercall.ServeUsb and <= Hypercall.CopyGrants when machine.Service is { } service => await service.Call(number, argument0, argument1, argument2, argument3),
            >= Hypercall.OpenWindows and <= Hypercall.UnmapGuest when machine.Service is { } service => await service.Windows.Call(number, argument0, argument1, argument2, argument3),
            >= Hypercall.ServeUsb and <= Hypercall.UnmapGuest => Refuse(DmaRefusal.NotAssigned),
            _ => Refuse(DmaRefusal.Denied),
        };

    private ValueTask<HypercallResult> Connect(ulong requests, ulong plugs, ulong vector) =>
        machine.UsbServer?.Connect(requests, plugs, vector) ?? new(Refuse(DmaRefusal.NotAssigned));

    private ValueTask<DmaRefusal> Disconnect() => machine.UsbServer?.Disconnect() ?? new(DmaRefusal.NotAssigned);

    private static HypercallResult Refuse(DmaRefusal refusal) => new(refusal, 0);

    private async ValueTask<HypercallResult> Map(ulong handle, GuestPhysicalAddress start, ulong length, ulong direction)
    {
        if (DeviceOf(handle) is not { } device)
            return Refuse(DmaRefusal.NotAssigned);
        if (direction is 0 or > (ulong)DmaDirection.Bidirectional)
            return Refuse(DmaRefusal.BadDirection);
        if (!machine.Memory.Contains(start, length))
            return Refuse(DmaRefusal.BadRange);

        // With a remapping unit of its own, a guest says by its tables what devices reach.
        if (machine.Iommu is not null)
            return Refuse(DmaRefusal.Denied);
        return machine.Policy.Permits(new(machine, device.GuestAddress, start, length, (DmaDirection)direction))
            ? await device.Mappings!.Map(start, length, (DmaDirection)direction)
            : Refuse(DmaRefusal.Denied);
    }

    private async ValueTask<HypercallResult> Unmap(ulong handle, Iova address, ulong length) =>
        Refuse(DeviceOf(handle) is { } device ? await device.Mappings!.Unmap(address, length) : DmaRefusal.NotAssigned);

    private async ValueTask<HypercallResult> Flush(ulong handle)
    {
        if (DeviceOf(handle) is not { Mappings: { } mappings })
            return Refuse(DmaRefusal.NotAssigned);
        await mappings.Flush();
        return Refuse(DmaRefusal.None);
    }

    private HypercallResult Find(ulong index) =>
        index < (ulong)machine.DmaDevices.Count
            ? new(DmaRefusal.None, machine.DmaDevices[(int)index].GuestAddress.Value)
            : Refuse(DmaRefusal.NotAssigned);

    private IGuestDevice? DeviceOf(ulong handle)
    {
        foreach (IGuestDevice device in machine.DmaDevices)
        {
            if (device.GuestAddress.Value == handle)
                return device;
        }

        return null;
    }
}

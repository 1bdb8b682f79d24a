using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory of other VMs that a service VM is shown since it models their devices, as the VMM keeps it.</summary>
/// <param name="service">The service VM.</param>
internal sealed class ServiceWindows(ServiceVm service)
{
    private const int VectorMin = 32;

    private readonly ServiceWindow?[] _windows = new ServiceWindow?[ServiceVm.WindowsMax];
    private int _vector;

    /// <summary>Lets it model devices of a VM.</summary>
    /// <returns>The number by which it knows the VM.</returns>
    public int? TryOpen(VirtualMachine guest)
    {
        int number = Array.IndexOf(_windows, null);
        if (number < 0 || Find(guest) is not null)
            return null;
        _windows[number] = new(service, guest, number);
        return number;
    }

    /// <summary>The number of a VM; null where it models no devices of it.</summary>
    public int? NumberOf(VirtualMachine guest) => Find(guest)?.Number;

    /// <summary>What it is shown of a VM; null where it models no devices of it.</summary>
    public ServiceWindow? Find(VirtualMachine guest)
    {
        foreach (ServiceWindow? window in _windows)
        {
            if (window?.Guest == guest)
                return window;
        }

        return null;
    }

    /// <summary>The VM has ended: nothing of it is shown.</summary>
    public void Remove(ServiceWindow window) => _windows[window.Number] = null;

    /// <summary>The service VM has ended: nothing of anybody is shown.</summary>
    public async ValueTask Close()
    {
        foreach (ServiceWindow window in _windows.OfType<ServiceWindow>().ToArray())
            await window.Close();
    }

    /// <summary>Answers a hypercall; the meaning of each stands at <see cref="Hypercall"/>.</summary>
    public async ValueTask<HypercallResult> Call(Hypercall number, ulong argument0, ulong argument1, ulong argument2, ulong argument3)
    {
        ServiceWindow? window = argument0 < ServiceVm.WindowsMax ? _windows[argument0] : null;
        return number switch
        {
            Hypercall.OpenWindows when (argument1 | argument2 | argument3) == 0 => Listen(argument0),
            Hypercall.ShowPage when (argument2 | argument3) == 0 => window?.Show(new(argument1)) ?? Refuse(DmaRefusal.NotMapped),
            Hypercall.HidePage when (argument2 | argument3) == 0 => Refuse(window?.Hide(new(argument1)) ?? DmaRefusal.NotMapped),
            Hypercall.NextLostPage when (argument0 | argument1 | argument2 | argument3) == 0 => NextLost(),
            Hypercall.MapGuest => window is null ? Refuse(DmaRefusal.NotMapped) : await window.Map(new(argument1), argument2, argument3),
            Hypercall.UnmapGuest when (argument2 | argument3) == 0 => Refuse(window is null ? DmaRefusal.NotMapped : await window.Unmap(new(argument1))),
            _ => Refuse(DmaRefusal.Denied),
        };
    }

    /// <summary>A page was taken back: the driver of the service VM shall hear of it.</summary>
    public void Tell()
    {
        if (_vector != 0 && service.Machine.IsRunning)
            service.Machine.Interrupt(MessageInterrupt.To(service.Machine.Cpu.ApicId, (byte)_vector));
    }

    private static HypercallResult Refuse(DmaRefusal refusal) => new(refusal, 0);

    private HypercallResult Listen(ulong vector)
    {
        if (vector is < VectorMin or > byte.MaxValue)
            return Refuse(DmaRefusal.BadRange);
        _vector = (int)vector;
        return new(DmaRefusal.None, ServiceVm.WindowsMax);
    }

    private HypercallResult NextLost()
    {
        foreach (ServiceWindow? window in _windows)
        {
            if (window?.TakeLost() is { } page)
                return new(DmaRefusal.None, page.Value | (uint)window.Number);
        }

        return Refuse(DmaRefusal.NotMapped);
    }
}

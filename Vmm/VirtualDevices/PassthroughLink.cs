using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device of the host as those parts of a virtual device use it that pass packets on: buffers, copies, and software that runs.</summary>
/// <param name="device">The device.</param>
/// <param name="vmm">Who is charged for copies.</param>
/// <param name="direct">Who moves data straight from and to memory of the VM; null where all is copied.</param>
internal sealed class PassthroughLink(IHostUsbDevice device, Processor vmm, UserLevelMonitor? direct = null)
{
    /// <summary>The longest transfer that is passed on at once, in bytes.</summary>
    public const int TransferBytesMax = 1 << 16;

    /// <summary>The device.</summary>
    public IHostUsbDevice Device => device;

    /// <summary>Who moves data straight from and to memory of the VM; null where all is copied.</summary>
    public UserLevelMonitor? Direct => direct;

    /// <summary>Virtual time.</summary>
    public EventLoop Loop => vmm.Loop;

    /// <summary>How many pieces of software use it now.</summary>
    public int Users { get; private set; }

    /// <summary>Starts software that uses the device.</summary>
    public void Start(Func<Task> software)
    {
        Users++;
        vmm.Loop.Start(Run);

        async Task Run()
        {
            await software();
            Users--;
        }
    }

    /// <summary>Memory that the controller of the host reaches, with nothing of an earlier owner in it; <c>null</c> where there is none left.</summary>
    public async ValueTask<HostUsbBuffer?> TryAllocate(int length)
    {
        HostUsbBuffer? buffer = await device.Controller.TryAllocate(length);
        buffer?.Memory!.Clear(0, length);
        return buffer;
    }

    /// <summary>Gives it back.</summary>
    public ValueTask Release(HostUsbBuffer buffer) => device.Controller.Release(buffer);

    /// <summary>Copies into it.</summary>
    public void Write(HostUsbBuffer buffer, int offset, ReadOnlySpan<byte> bytes)
    {
        buffer.Memory!.Write(offset, bytes);
        Copied(bytes.Length);
    }

    /// <summary>Copies out of it.</summary>
    public void Read(HostUsbBuffer buffer, int offset, Span<byte> bytes)
    {
        buffer.Memory!.Read(offset, bytes);
        Copied(bytes.Length);
    }

    private void Copied(int bytes)
    {
        vmm.Count(Cost.Copy);
        vmm.Count(Cost.CopiedByte, (ulong)bytes);
    }
}

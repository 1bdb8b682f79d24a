namespace Dma.Vmm;

/// <summary>How a user-level monitor gets at the memory of its VM.</summary>
public enum MonitorAccess
{
    /// <summary>It reads and writes at the addresses of its window.</summary>
    Window,

    /// <summary>It asks the driver to copy, by a system call each time.</summary>
    SystemCall,
}
